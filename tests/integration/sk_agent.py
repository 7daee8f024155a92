# SPDX-License-Identifier: Apache-2.0
"""An ssh-agent with one security key in software, since ssh itself wants hardware to sign with one.

The agent's messages are those of draft-miller-ssh-agent, the signatures those of OpenSSH's PROTOCOL.u2f: the key signs
SHA256(application) || flags || counter || SHA256(data), and flags and counter stand behind the signature.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import struct
import threading
from typing import Iterator, Tuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from eic_sshd.model import public_key
from testbed.keys import line, mpint, string

_FAILURE, _REQUEST_IDENTITIES, _IDENTITIES, _SIGN_REQUEST, _SIGN_RESPONSE = 5, 11, 12, 13, 14
_APPLICATION = b"ssh:"
_USER_PRESENT, _COUNTER = 1, 7


class SoftwareSecurityKey:
    """A key of one of the two `sk-` types."""

    def __init__(self, key_type: str) -> None:
        self._type = key_type
        if key_type == public_key.SK_ED25519:
            self._ed25519 = ed25519.Ed25519PrivateKey.generate()
            public = self._ed25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            fields = [string(public)]
        else:
            self._ecdsa = ec.generate_private_key(ec.SECP256R1())
            public = self._ecdsa.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            fields = [string(b"nistp256"), string(public)]
        self.line = line(key_type, *fields, string(_APPLICATION)).decode()
        self.blob = public_key.parse(self.line.encode()).blob

    def sign(self, data: bytes) -> bytes:
        tail = struct.pack(">BI", _USER_PRESENT, _COUNTER)
        message = hashlib.sha256(_APPLICATION).digest() + tail + hashlib.sha256(data).digest()
        if self._type == public_key.SK_ED25519:
            signature = self._ed25519.sign(message)
        else:
            r, s = decode_dss_signature(self._ecdsa.sign(message, ec.ECDSA(hashes.SHA256())))
            signature = mpint(r) + mpint(s)
        return string(self._type.encode()) + string(signature) + tail


@contextlib.contextmanager
def agent(key: SoftwareSecurityKey, path: str) -> Iterator[str]:
    """An agent on the socket `path` that holds `key`; at most 20 connections."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            for _ in range(20):
                try:
                    peer, _address = listener.accept()
                except OSError:
                    return
                with peer, contextlib.suppress(EOFError, OSError):
                    for _ in range(20):
                        _answer(peer, key)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=5)


def _answer(peer: socket.socket, key: SoftwareSecurityKey) -> None:
    (length,) = struct.unpack(">I", _exactly(peer, 4))
    message = _exactly(peer, length)
    if message[0] == _REQUEST_IDENTITIES:
        answer = struct.pack(">BI", _IDENTITIES, 1) + string(key.blob) + string(b"software")
    elif message[0] == _SIGN_REQUEST:
        _, data = _two_strings(message[1:])
        answer = bytes([_SIGN_RESPONSE]) + string(key.sign(data))
    else:
        answer = bytes([_FAILURE])
    peer.sendall(string(answer))


def _two_strings(raw: bytes) -> Tuple[bytes, bytes]:
    (first,) = struct.unpack_from(">I", raw)
    (second,) = struct.unpack_from(">I", raw, 4 + first)
    return raw[4 : 4 + first], raw[8 + first : 8 + first + second]


def _exactly(peer: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = peer.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data
