# SPDX-License-Identifier: Apache-2.0
"""keys/: lines that are one whole public key of an allowed kind, and lines that are not."""

from __future__ import annotations

import base64
from typing import Dict, Tuple

from cryptography.hazmat.primitives.asymmetric import ec

from testbed import keys
from testbed.keys import line, mpint, string

from .folder import Folder, Value

ED25519, RSA = "ssh-ed25519", "ssh-rsa"
SK_ED25519, SK_ECDSA = "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"
_MODULUS = (1 << 2047) + 1  # no product of two primes, which nobody checks


def re_encoded(text: bytes) -> str:
    """What is handed to sshd for a valid key: its type and its base64."""
    return b" ".join(text.split()[:2]).decode()


def make() -> None:
    """Writes the folder."""
    folder = Folder(
        "keys",
        "`file` is the key line of a block, without its newline. `line` is what sshd gets for it, `reason` why not.",
        settings={},
    )
    _accepted(folder)
    for name, (text, why) in _malformed().items():
        _case(folder, name, text, why, reason="key-malformed")
    _refused(folder)
    folder.finish()


def _case(folder: Folder, name: str, text: bytes, why: str, **members: Value) -> None:
    folder.case(name, why, file=folder.write(f"{name}.pub", text), **members)


def _accepted(folder: Folder) -> None:
    whole = keys.every_type()
    for key_type, text in whole.items():
        name = f"{key_type.partition('@')[0]}-is-accepted"
        _case(folder, name, text, "The type is allowed by default.", line=re_encoded(text))
    blob = whole[ED25519].split()[1]
    for name, text, why in (
        ("no-comment", ED25519.encode() + b" " + blob, "A comment is optional."),
        ("comment-of-several-words", b"ssh-ed25519 " + blob + b" a b c=d", "A comment may have blanks."),
        ("comment-that-is-not-ascii", b"ssh-ed25519 " + blob + b" \xc3\xa9 \xff", "The comment is not handed on."),
        ("tabs-between-words", b"ssh-ed25519\t " + blob + b"\t", "Blanks are spaces and tabs."),
    ):
        _case(folder, f"{name}-is-accepted", text, why, line=re_encoded(text))
    for name, text in (
        ("rsa-exponent-3", line(RSA, mpint(3), mpint(_MODULUS))),
        ("rsa-16384-bits", line(RSA, mpint(65537), mpint((1 << 16383) + 1))),
    ):
        _case(folder, f"{name}-is-accepted", text, "A bound of RSA keys.", line=re_encoded(text))
    short = keys.rsa_line(1024).encode()
    settings = {"keys": {"min_rsa_bits": "1024"}}
    _case(folder, "rsa-1024-where-the-site-allows-it", short, "min_rsa_bits", settings=settings, line=re_encoded(short))


def _malformed() -> Dict[str, Tuple[bytes, str]]:
    whole = keys.ed25519_line().encode()
    blob = whole.split()[1]
    p256 = keys.point(ec.SECP256R1())
    ed25519, ecdsa, exponent = string(b"k" * 32), "ecdsa-sha2-nistp256", mpint(65537)
    stray = line(ecdsa, string(b"nistp256"), string(p256), comment="")
    return {
        "empty": (b"", "A key has a type and base64."),
        "type-alone": (b"ssh-ed25519", "A key has a type and base64."),
        "options-before-the-key": (b'command="id" ' + whole, "A pushed key has no options."),
        "blank-before-the-key": (b" " + whole, "Nothing precedes the type."),
        "comma-in-the-type": (line("x,y", comment=""), "A type is a name of RFC 4251 section 6."),
        "type-of-65-characters": (line("x" * 65, comment=""), "A name of RFC 4251 has at most 64 characters."),
        "base64-with-a-nul": (b"ssh-ed25519 " + blob[:20] + b"\0" + blob[21:], "Base64 has no other characters."),
        "base64-without-padding": (line(ED25519, b"x", comment="").rstrip(b"="), "Base64 is padded."),
        "base64-with-stray-bits": (_with_stray_bits(stray), "Base64 has one form only."),
        "type-within-differs": (line(ED25519, ed25519, inner_type=RSA), "The type in the blob is the one before it."),
        "rsa-fields-in-ed25519": (line(ED25519, exponent, mpint(_MODULUS)), "The fields are the type's."),
        "blob-of-three-bytes": (b"ssh-ed25519 AAAA", "The blob begins with its type."),
        "ed25519-of-31-bytes": (line(ED25519, string(b"k" * 31)), "RFC 8709 section 4."),
        "ed25519-of-33-bytes": (line(ED25519, string(b"k" * 33)), "RFC 8709 section 4."),
        "blob-cut-short": (line(ED25519, ed25519[:-1]), "A field ends within the blob."),
        "length-beyond-the-blob": (line(ED25519, b"\xff\xff\xff\xff" + b"k" * 32), "A field ends within the blob."),
        "bytes-behind-the-key": (line(ED25519, ed25519, b"x"), "Nothing follows the key."),
        "rsa-negative-modulus": (line(RSA, exponent, string(b"\x80" + b"\1" * 255)), "RFC 4251 section 5, mpint."),
        "rsa-modulus-with-leading-zeros": (line(RSA, exponent, string(b"\0\0\x80" + b"\1" * 255)), "RFC 4251, mpint."),
        "rsa-modulus-of-zero": (line(RSA, exponent, string(b"")), "A modulus is positive."),
        "rsa-even-modulus": (line(RSA, exponent, mpint(_MODULUS + 1)), "A modulus is odd."),
        "rsa-16385-bits": (line(RSA, exponent, mpint((1 << 16384) + 1)), "sshd takes at most 16384 bits."),
        "rsa-exponent-1": (line(RSA, mpint(1), mpint(_MODULUS)), "An exponent is at least 3."),
        "rsa-even-exponent": (line(RSA, mpint(65536), mpint(_MODULUS)), "An exponent is odd."),
        "rsa-without-modulus": (line(RSA, exponent), "RFC 4253 section 6.6."),
        "ecdsa-of-another-curve": (line(ecdsa, string(b"nistp384"), string(p256)), "The curve is the type's."),
        "ecdsa-compressed-point": (line(ecdsa, string(b"nistp256"), string(b"\2" + p256[1:33])), "As sshd takes it."),
        "ecdsa-hybrid-point": (line(ecdsa, string(b"nistp256"), string(b"\6" + p256[1:])), "As sshd takes it."),
        "ecdsa-point-too-long": (line(ecdsa, string(b"nistp256"), string(p256 + b"x")), "SEC 1 section 2.3.3."),
        "security-key-without-application": (line(SK_ED25519, ed25519), "PROTOCOL.u2f of OpenSSH."),
        "security-key-with-empty-application": (line(SK_ED25519, ed25519, string(b"")), "PROTOCOL.u2f of OpenSSH."),
        "security-key-with-one-more-field": (
            line(SK_ECDSA, string(b"nistp256"), string(p256), string(b"ssh:"), string(b"x")),
            "Nothing follows the key.",
        ),
    }


def _with_stray_bits(text: bytes) -> bytes:
    """The same key with a bit set that base64 ignores: the blob's length leaves padding."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = text.rstrip(b"=")
    altered = bare[:-1] + alphabet[alphabet.index(bare[-1:]) + 1 :][:1] + b"=" * (len(text) - len(bare))
    if base64.b64decode(altered.split()[1]) != base64.b64decode(text.split()[1]) or altered == text:
        raise ValueError("base64 does not ignore that bit")
    return altered


def _refused(folder: Folder) -> None:
    forbidden = "key-type-forbidden"
    for name, text in (
        ("dsa", keys.dsa_line().encode()),
        ("certificate", keys.certificate_line().encode()),
        ("unknown-type", line("ssh-unknown", b"x")),
        ("type-of-64-characters", line("x" * 64, comment="")),
    ):
        _case(folder, f"{name}-is-refused", text, "Never allowed, whatever it holds.", reason=forbidden)
    whole = keys.ed25519_line().encode()
    settings = {"keys": {"types": "ssh-rsa ecdsa-sha2-nistp256"}}
    _case(folder, "type-off-the-sites-list", whole, "[keys] types", settings=settings, reason=forbidden)
    settings = {"keys": {"types": "ssh-ed25519 ssh-rsa"}}
    _case(folder, "type-on-the-sites-list", whole, "[keys] types", settings=settings, line=re_encoded(whole))
    for bits, least in ((2047, "2048"), (1024, "2048"), (2048, "2049")):
        text = line(RSA, mpint(65537), mpint((1 << (bits - 1)) + 1))
        settings = {"keys": {"min_rsa_bits": least}}
        _case(folder, f"rsa-{bits}-below-{least}", text, "min_rsa_bits", settings=settings, reason="key-too-short")
