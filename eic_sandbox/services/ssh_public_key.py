# SPDX-License-Identifier: Apache-2.0
"""The public keys that SendSSHPublicKey accepts: RSA keys of at least 2048 bits, and Ed25519 keys.

They are written as in authorized_keys (TYPE BASE64 COMMENT); RSA keys may be in SSH2's format (RFC 4716) instead. The
types and formats are from the EC2 User Guide, "Connect using EC2 Instance Connect".
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from . import rfc4716

RSA, ED25519 = "ssh-rsa", "ssh-ed25519"
MIN_RSA_BITS = 2048


class UnacceptableKey(ValueError):
    """SendSSHPublicKey refuses the key."""


def authorized_keys_line(text: str) -> str:
    """The key in `text` as a line of authorized_keys(5). Raises UnacceptableKey."""
    text = text.strip()
    if not rfc4716.has_format(text):
        return _require_acceptable(text, (RSA, ED25519))
    try:
        line = rfc4716.to_openssh(text)
    except rfc4716.Malformed as problem:
        raise UnacceptableKey(str(problem)) from None
    return _require_acceptable(line, (RSA,))


def _require_acceptable(line: str, types: tuple[str, ...]) -> str:
    if not line.isprintable():
        raise UnacceptableKey("the key is neither one line nor in SSH2's format")
    key_type = line.partition(" ")[0]
    if key_type not in types:
        raise UnacceptableKey(f"the key type is not {' or '.join(types)} ({key_type[:64]!r})")
    try:
        key = load_ssh_public_key(line.encode())
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise UnacceptableKey(f"the key is malformed: {problem}") from None
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise UnacceptableKey(f"the RSA key is shorter than {MIN_RSA_BITS} bits ({key.key_size})")
    return line
