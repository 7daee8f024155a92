# SPDX-License-Identifier: Apache-2.0
"""Public keys for tests: valid ones of every type, and the parts for malformed ones."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from typing import Any, Dict

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from eic_sshd.model import public_key


def string(data: bytes) -> bytes:
    """An RFC 4251 string."""
    return struct.pack(">I", len(data)) + data


def mpint(number: int) -> bytes:
    """An RFC 4251 mpint, for positive numbers."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big")) if number else string(b"")


def line(key_type: str, *fields: bytes, inner_type: str = "", comment: str = " a comment") -> bytes:
    """An authorized_keys line of the given wire fields."""
    blob = string((inner_type or key_type).encode()) + b"".join(fields)
    return f"{key_type} {base64.b64encode(blob).decode()}{comment}".encode()


def openssh(private: Any) -> str:
    """The public key of a private key, as ssh-keygen writes it."""
    written: bytes = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return f"{written.decode()} someone@example"


def fingerprint(line: str) -> str:
    """The SHA-256 fingerprint of the key on an authorized_keys line, as sshd's %f writes it."""
    blob = base64.b64decode(line.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def ed25519_line() -> str:
    """A new Ed25519 public key as a line of authorized_keys."""
    return openssh(ed25519.Ed25519PrivateKey.generate())


def rsa_line(bits: int) -> str:
    """A new RSA public key of `bits` bits, as a line of authorized_keys."""
    return openssh(rsa.generate_private_key(65537, bits))


def dsa_line() -> str:
    """A new DSA public key as a line of authorized_keys: a type that is always refused."""
    numbers = dsa.generate_private_key(2048).public_key().public_numbers()
    parameters = numbers.parameter_numbers
    fields = [mpint(number) for number in (parameters.p, parameters.q, parameters.g, numbers.y)]
    return line("ssh-dss", *fields).decode()


def certificate_line() -> str:
    """A line with the fields of an Ed25519 certificate (OpenSSH's PROTOCOL.certkeys) and an empty signature."""
    kind = "ssh-ed25519-cert-v01@openssh.com"
    fields = [string(os.urandom(32)), string(os.urandom(32)), struct.pack(">QI", 0, 1), string(b"id"), string(b"root")]
    return line(kind, *fields, struct.pack(">QQ", 0, 2**64 - 1), *[string(b"")] * 5).decode()


def point(curve: ec.EllipticCurve, private: int = 0) -> bytes:
    """The public key of `private` on `curve`, uncompressed (SEC 1, 2.3.3); a new one for 0."""
    key = ec.derive_private_key(private, curve) if private else ec.generate_private_key(curve)
    public = key.public_key()
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def every_type() -> Dict[str, bytes]:
    """A valid key of every type that can be allowed, by type."""
    p256, application = ec.SECP256R1(), string(b"ssh:")
    return {
        "ssh-ed25519": ed25519_line().encode(),
        "ecdsa-sha2-nistp256": openssh(ec.generate_private_key(p256)).encode(),
        "ecdsa-sha2-nistp384": openssh(ec.generate_private_key(ec.SECP384R1())).encode(),
        "ecdsa-sha2-nistp521": openssh(ec.generate_private_key(ec.SECP521R1())).encode(),
        "ssh-rsa": rsa_line(2048).encode(),
        public_key.SK_ED25519: line(public_key.SK_ED25519, string(os.urandom(32)), application),
        public_key.SK_ECDSA: line(public_key.SK_ECDSA, string(b"nistp256"), string(point(p256)), application),
    }
