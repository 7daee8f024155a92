# SPDX-License-Identifier: Apache-2.0
"""OpenSSH public keys: strict parsing, fingerprints, encoding.

The blob's layouts are those of RFC 4253 section 6.6 (RSA), RFC 5656 section 3.1 (ECDSA), RFC 8709 section 4
(Ed25519) and OpenSSH's PROTOCOL.u2f (security keys). A string is a uint32 length and that many bytes, an mpint a
string in two's complement (RFC 4251 section 5).
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from typing import Callable, Dict, FrozenSet

from .value import Value

ED25519 = "ssh-ed25519"
RSA = "ssh-rsa"
SK_ED25519 = "sk-ssh-ed25519@openssh.com"
SK_ECDSA = "sk-ecdsa-sha2-nistp256@openssh.com"

_CURVE_BYTES = {"nistp256": 32, "nistp384": 48, "nistp521": 66}
# sshd refuses longer keys: SSHBUF_MAX_BIGNUM in OpenSSH's sshbuf.h is 16384 bits.
_MAX_RSA_BITS = 16384
# A type is a name of RFC 4251 section 6: at most 64 printable characters without a comma.
_TYPE = rb"[!-+\--~]{1,64}"
_BLANK = rb"[ \t]+"


class MalformedKey(ValueError):
    """The line is not one whole OpenSSH public key."""


class PublicKey(Value):
    """One public key. `bits` is the RSA modulus' length, or 0 for types whose length is fixed or not known."""

    key_type: str
    blob: bytes
    bits: int = 0

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint, as ssh-keygen -l and sshd's %f write it."""
        return _sha256_fingerprint(self.blob)

    def has_fingerprint(self, fingerprint: str) -> bool:
        """Whether `fingerprint` names this key, in either form of sshd_config(5)'s FingerprintHash."""
        return has_fingerprint(self.blob, fingerprint)

    @property
    def authorized_keys_line(self) -> str:
        """The key, encoded again: type and base64, no options, no comment, no newline."""
        return f"{self.key_type} {base64.b64encode(self.blob).decode()}"


def has_fingerprint(blob: bytes, fingerprint: str) -> bool:
    """Whether `fingerprint` names the key with these bytes, in either form of sshd_config(5)'s FingerprintHash."""
    if fingerprint.startswith("MD5:"):
        import hashlib

        digest = hashlib.new("md5", blob, usedforsecurity=False).digest()
        return fingerprint == "MD5:" + ":".join(f"{byte:02x}" for byte in digest)
    return fingerprint == _sha256_fingerprint(blob)


def _sha256_fingerprint(blob: bytes) -> str:
    import hashlib  # imported late: it is slow to load, and an invocation without keys does not need it

    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


class _Reader:
    """Reads RFC 4251 data types off a blob, in order."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self._at = 0

    def string(self) -> bytes:
        if len(self._blob) - self._at < 4:
            raise MalformedKey("the blob ends within a length")
        (length,) = struct.unpack_from(">I", self._blob, self._at)
        start = self._at + 4
        if length > len(self._blob) - start:
            raise MalformedKey("the blob ends within a field")
        self._at = start + length
        return self._blob[start : self._at]

    def positive_mpint(self) -> int:
        raw = self.string()
        if not raw or raw[0] & 0x80:
            raise MalformedKey("a number of the key is not positive")
        if raw[0] == 0 and (len(raw) == 1 or not raw[1] & 0x80):
            raise MalformedKey("a number of the key has needless leading zeros")
        return int.from_bytes(raw, "big")

    def end(self) -> None:
        if self._at != len(self._blob):
            raise MalformedKey("bytes follow the key in its blob")


def _ed25519(fields: _Reader) -> int:
    if len(fields.string()) != 32:
        raise MalformedKey("an Ed25519 key has 32 bytes")
    return 0


def _rsa(fields: _Reader) -> int:
    exponent, modulus = fields.positive_mpint(), fields.positive_mpint()
    if exponent < 3 or exponent % 2 == 0:
        raise MalformedKey("the RSA exponent is not odd and at least 3")
    if modulus % 2 == 0 or modulus.bit_length() > _MAX_RSA_BITS:
        raise MalformedKey(f"the RSA modulus is not odd and at most {_MAX_RSA_BITS} bits long")
    return modulus.bit_length()


def _ecdsa(curve: str) -> Callable[[_Reader], int]:
    def check(fields: _Reader) -> int:
        if fields.string() != curve.encode():
            raise MalformedKey("the curve in the blob is not the type's")
        point = fields.string()
        # Uncompressed points only (SEC 1 section 2.3.3), as sshd takes them; whether one lies on the curve sshd checks.
        if len(point) != 1 + 2 * _CURVE_BYTES[curve] or point[0] != 4:
            raise MalformedKey("the point is not an uncompressed point of the curve")
        return 0

    return check


def _security_key(check: Callable[[_Reader], int]) -> Callable[[_Reader], int]:
    def check_with_application(fields: _Reader) -> int:
        bits = check(fields)
        if not fields.string():
            raise MalformedKey("a security key names its application")
        return bits

    return check_with_application


_CHECKS: Dict[str, Callable[[_Reader], int]] = {
    ED25519: _ed25519,
    "ecdsa-sha2-nistp256": _ecdsa("nistp256"),
    "ecdsa-sha2-nistp384": _ecdsa("nistp384"),
    "ecdsa-sha2-nistp521": _ecdsa("nistp521"),
    RSA: _rsa,
    SK_ED25519: _security_key(_ed25519),
    SK_ECDSA: _security_key(_ecdsa("nistp256")),
}

SUPPORTED_TYPES = tuple(_CHECKS)
"""The types that a policy can allow: no DSA, no certificate."""


def parse(line: bytes) -> PublicKey:
    """Read `TYPE BASE64 [COMMENT]`, without a newline.

    A type that no policy can allow comes back unexamined but for its name, so that it can be refused by name.

    Raises:
        MalformedKey: if the line is anything else, or its blob is of another type or not whole.
    """
    words = re.split(_BLANK, line, maxsplit=2)
    if len(words) < 2 or not re.fullmatch(_TYPE, words[0]):
        raise MalformedKey("the line is not `TYPE BASE64 [COMMENT]`")
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        raise MalformedKey("the key is not base64") from None
    if base64.b64encode(blob) != words[1]:
        raise MalformedKey("the key's base64 has stray bits")
    fields = _Reader(blob)
    if fields.string() != words[0]:
        raise MalformedKey("the type within the key is not the type written before it")
    key_type = words[0].decode("ascii")
    check = _CHECKS.get(key_type)
    if check is None:
        return PublicKey(key_type, blob)
    bits = check(fields)
    fields.end()
    return PublicKey(key_type, blob, bits)


class ForbiddenType(ValueError):
    """The policy does not allow keys of this type."""


class TooShort(ValueError):
    """The policy requires a longer RSA key."""


class KeyPolicy(Value):
    """Which keys may log in: `types` is a subset of SUPPORTED_TYPES, `min_rsa_bits` in bits."""

    types: FrozenSet[str] = frozenset(SUPPORTED_TYPES)
    min_rsa_bits: int = 2048

    def verify(self, key: PublicKey) -> None:
        """Raises ForbiddenType or TooShort if the key may not log in."""
        if key.key_type not in _CHECKS or key.key_type not in self.types:
            raise ForbiddenType(f"keys of type {key.key_type} are not allowed")
        if key.key_type == RSA and key.bits < self.min_rsa_bits:
            raise TooShort(f"the RSA key has {key.bits} bits, at least {self.min_rsa_bits} are required")
