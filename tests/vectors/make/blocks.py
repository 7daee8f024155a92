# SPDX-License-Identifier: Apache-2.0
"""blocks/: what IMDS gives as active-keys/USER, each block signed by the signer of chains/valid.pem."""

from __future__ import annotations

import base64
import textwrap
from typing import Optional, Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from eic_sandbox.pki.authority import rsa_key
from testbed import keys

from .folder import Folder, Value
from .keys import re_encoded
from .pki import INSTANCE, NOW

OTHER_INSTANCE = "i-0fedcba9876543210"
CALLER = "arn:aws:sts::123456789012:assumed-role/Admin/alice"
WINDOW, SKEW = 60, 60  # seconds; the defaults of [keys]
_MAX_BLOCK_BYTES, _MAX_LINES, _MAX_FIELD_BYTES = 16 * 1024, 128, 2048


class Signer:
    """Writes and signs blocks."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key

    def block(
        self,
        key_line: str,
        timestamp: object = NOW + WINDOW,
        instance: Optional[str] = INSTANCE,
        more: Sequence[str] = (f"#Caller={CALLER}", "#Request=6a1f0c9e-0000-4000-8000-000000000000"),
    ) -> bytes:
        """A block with these fields, `more` of them, and a valid signature. Those that are None are left out."""
        fields = [] if timestamp is None else [f"#Timestamp={timestamp}"]
        fields += [] if instance is None else [f"#Instance={instance}"]
        return self.signed("".join(f"{one}\n" for one in [*fields, *more, key_line]).encode())

    def signed(self, text: bytes, width: int = 0) -> bytes:
        """`text` and its signature, in lines of `width` characters; 0: in one line."""
        signature = base64.b64encode(self.sign(text))
        lines = textwrap.wrap(signature.decode(), width) if width else [signature.decode()]
        return text + "".join(f"{one}\n" for one in lines).encode()

    def sign(self, text: bytes, salt: int = 32, digest: Optional[hashes.HashAlgorithm] = None) -> bytes:
        """RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes, or one of those otherwise."""
        digest = digest or hashes.SHA256()
        return self._key.sign(text, padding.PSS(padding.MGF1(digest), salt_length=salt), digest)

    def sign_pkcs1(self, text: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256."""
        return self._key.sign(text, padding.PKCS1v15(), hashes.SHA256())


class Blocks:
    """Adds the cases of the folder."""

    def __init__(self, folder: Folder, signer: Signer) -> None:
        self._folder = folder
        self._signer = signer
        self._lines = [keys.ed25519_line() for _ in range(3)]
        self._line = self._lines[0]
        self._good = signer.block(self._line)

    def make(self) -> None:
        """All of them."""
        self._granted()
        self._fingerprints()
        self._times()
        self._malformed()
        self._signatures()
        self._keys()
        self._mixed()

    def _grant(self, name: str, text: bytes, why: str, *lines: str, **members: Value) -> None:
        granted = [re_encoded(line.encode()) for line in lines or (self._line,)]
        self._case(name, text, why, reason="granted", keys=granted, **members)

    def _case(self, name: str, text: bytes, why: str, **members: Value) -> None:
        self._folder.case(name, why, blocks=self._folder.write(f"{name}.txt", text), **members)

    def _granted(self) -> None:
        good, line, sign = self._good, self._line, self._signer
        text = good[: good.rstrip(b"\n").rindex(b"\n") + 1]  # without the signature
        self._folder.case(
            "valid", "All rules hold.", blocks=self._folder.write("valid.txt", good), reason="granted",
            keys=[re_encoded(line.encode())],
        )  # fmt: skip
        self._grant("no-newline-at-the-end", good.rstrip(b"\n"), "The last newline is optional.")
        self._grant("blank-lines-around", b"\n \n" + good + b"\n\t\n", "Blank lines separate blocks.")
        self._grant("wrapped-signature", sign.signed(text, 76), "A signature may have several lines.")
        self._grant("unknown-fields-are-signed", sign.signed(b"#New=1\n#odd\n" + text), "Unknown `#` lines are signed.")
        self._grant("no-caller-and-no-request", sign.block(line, more=()), "Caller and Request are optional.")
        many = ["#"] * (_MAX_LINES - 4)
        self._grant("block-of-128-lines", sign.block(line, more=many), "A block has at most 128 lines.")
        long = [f"#Caller={'x' * _MAX_FIELD_BYTES}"]
        self._grant("caller-of-2048-bytes", sign.block(line, more=long), "A field has at most 2048 bytes.")
        others = [sign.block(one) for one in self._lines]
        self._grant("three-keys", b"\n".join(others), "Each valid key is granted.", *self._lines)
        self._grant("three-keys-without-blank-lines", b"".join(others), "A `#` line begins a block.", *self._lines)
        twice = good + b"\n" + sign.block(line, NOW + 30)
        self._grant("one-key-pushed-twice", twice, "A key is handed to sshd once.")

    def _fingerprints(self) -> None:
        three = b"\n".join(self._signer.block(one) for one in self._lines)
        last = self._lines[2]
        sha256 = keys.fingerprint(last)
        self._grant("fingerprint-of-one-of-three", three, "The key that sshd named.", last, fingerprint=sha256)
        self._grant("md5-fingerprint", three, "FingerprintHash md5 of sshd_config(5).", last, fingerprint=_md5(last))
        other = {"fingerprint": keys.fingerprint(keys.ed25519_line()), "reason": "fingerprint-mismatch"}
        self._case("fingerprint-of-another-key", three, "sshd named a key that is not pushed.", **other)
        lower = {"fingerprint": sha256.replace("SHA256:", "sha256:"), "reason": "fingerprint-mismatch"}
        self._case("fingerprint-in-another-form", three, "A fingerprint is compared as sshd writes it.", **lower)

    def _times(self) -> None:
        line, sign, latest = self._line, self._signer, NOW + WINDOW + SKEW
        self._grant("expires-in-one-second", sign.block(line, NOW + 1), "now < Timestamp")
        self._grant("expires-as-late-as-allowed", sign.block(line, latest), "Timestamp <= now + window + clock_skew")
        for name, at in (("expires-now", NOW), ("expired-a-second-ago", NOW - 1), ("expired-in-1970", 0)):
            self._case(name, sign.block(line, at), "now < Timestamp", reason="expired")
        for name, at in (("expires-a-second-too-late", latest + 1), ("expires-in-2038", 2**31 - 1)):
            self._case(name, sign.block(line, at), "Timestamp <= now + window + clock_skew",
                       reason="expiry-beyond-window")  # fmt: skip
        settings = {"keys": {"window": "10", "clock_skew": "0"}}
        self._grant("as-late-as-a-short-window-allows", sign.block(line, NOW + 10), "[keys] window", settings=settings)
        self._case("too-late-for-a-short-window", sign.block(line, NOW + 11), "[keys] window", settings=settings,
                   reason="expiry-beyond-window")  # fmt: skip

    def _malformed(self) -> None:
        line, sign, good = self._line, self._signer, self._good
        text, signature = good[: good.index(b"ssh-ed25519")], good.splitlines(keepends=True)[-1]
        key = f"{line}\n".encode()
        twice = "A field that a decision rests on is there once."
        cases = {
            "no-timestamp": (sign.block(line, None), "Timestamp is required."),
            "empty-timestamp": (sign.block(line, ""), "Timestamp is a number of seconds."),
            "negative-timestamp": (sign.block(line, -1), "Timestamp is a number of seconds."),
            "timestamp-with-a-blank": (sign.block(line, f" {NOW + WINDOW}"), "Timestamp is a number of seconds."),
            "timestamp-of-16-digits": (sign.block(line, f"{NOW + WINDOW:016d}"), "It has at most 15 digits."),
            "timestamp-in-arabic-digits": (sign.block(line, "\u0661"), "Timestamp is a number of seconds."),
            "no-instance": (sign.block(line, instance=None), "Instance is required."),
            "empty-instance": (sign.block(line, instance=""), "Instance is required."),
            "timestamp-twice": (sign.block(line, more=[f"#Timestamp={NOW + WINDOW}"]), twice),
            "instance-twice": (sign.block(line, more=[f"#Instance={INSTANCE}"]), twice),
            "caller-twice": (sign.block(line, more=["#Caller=a", "#Caller=a"]), twice),
            "fields-alone": (text, "A block has a key."),
            "no-signature": (text + key, "A block has a signature."),
            "signature-that-is-not-base64": (text + key + b"%%%%\n", "A signature is base64."),
            "signature-with-a-stray-character": (text + key + b"%" + signature, "A signature is base64."),
            "block-of-129-lines": (sign.block(line, more=["#"] * (_MAX_LINES - 3)), "At most 128 lines."),
            "block-beyond-16-kib": (sign.block(line, more=[f"#{'x' * _MAX_BLOCK_BYTES}"]), "At most 16 KiB."),
            "caller-of-2049-bytes": (sign.block(line, more=[f"#Caller={'x' * 2049}"]), "At most 2048 bytes."),
            "html": (b"<html>not found</html>\n", "An answer that is no blocks."),
        }  # fmt: skip
        for name, (content, why) in cases.items():
            self._case(name, content, why, reason="block-malformed")
        for name, content in (("empty-answer", b""), ("blank-answer", b" \n\t\n")):
            self._case(name, content, "No key is pushed for this user.", reason="no-active-keys")

    def _signatures(self) -> None:
        good, sign = self._good, self._signer
        signature = good.splitlines(keepends=True)[-1]
        text = good[: -len(signature)]
        raw = base64.b64decode(signature)
        stranger = Signer(rsa_key())
        one_byte_each = text.replace(b"alice", b"malle"), text.replace(INSTANCE.encode(), OTHER_INSTANCE.encode())
        cases = {
            "signature-with-a-bit-changed": text + _base64(bytes([raw[0], raw[1] ^ 1]) + raw[2:]),
            "signature-cut-short": text + _base64(raw[:-1]),
            "signature-of-another-key": text + _base64(stranger.sign(text)),
            "signature-with-pkcs1-v1.5": text + _base64(sign.sign_pkcs1(text)),
            "signature-with-an-empty-salt": text + _base64(sign.sign(text, salt=0)),
            "signature-with-a-salt-of-20-bytes": text + _base64(sign.sign(text, salt=20)),
            "signature-with-sha-512": text + _base64(sign.sign(text, digest=hashes.SHA512())),
            "signature-over-the-text-without-its-last-newline": text + _base64(sign.sign(text[:-1])),
            "signature-over-crlf": text + _base64(sign.sign(text.replace(b"\n", b"\r\n"))),
            "caller-changed": one_byte_each[0] + signature,
            "instance-changed": one_byte_each[1] + signature,
            "timestamp-changed": text.replace(str(NOW + WINDOW).encode(), str(NOW + WINDOW + 1).encode()) + signature,
            "comment-of-the-key-changed": text.replace(b" someone@", b" anybody@") + signature,
            "key-changed": text.replace(self._line.encode(), self._lines[1].encode()) + signature,
            "field-added": b"#New=1\n" + text + signature,
            "field-removed": text.replace(f"#Caller={CALLER}\n".encode(), b"") + signature,
        }
        for name, content in cases.items():
            if content == good:
                raise ValueError(f"{name} changes nothing")
            self._case(name, content, "RSASSA-PSS over the exact bytes, by the signer's key.", reason="bad-signature")
        for name, instance in (
            ("another-instance", OTHER_INSTANCE),
            ("prefix-of-the-instance-id", INSTANCE[:-1]),
            ("longer-instance-id", f"{INSTANCE}0"),
            ("instance-id-in-capitals", INSTANCE.upper()),
        ):
            content = sign.block(self._line, instance=instance)
            self._case(name, content, "Instance is this instance.", reason="instance-mismatch")

    def _keys(self) -> None:
        whole = keys.every_type()
        for key_type in ("ssh-rsa", "sk-ssh-ed25519@openssh.com"):
            line = whole[key_type].decode()
            self._grant(f"signed-{key_type.partition('@')[0]}", self._signer.block(line), "Any allowed type.", line)
        for name, line, reason in (
            ("signed-key-with-options", f'command="id" {self._line}', "key-malformed"),
            ("signed-truncated-key", self._line.split()[0] + " " + self._line.split()[1][:40], "key-malformed"),
            ("signed-dsa-key", keys.dsa_line(), "key-type-forbidden"),
            ("signed-certificate", keys.certificate_line(), "key-type-forbidden"),
            ("signed-rsa-1024", keys.rsa_line(1024), "key-too-short"),
        ):
            self._case(name, self._signer.block(line), "A signature makes no key valid.", reason=reason)

    def _mixed(self) -> None:
        sign, good, line = self._signer, self._good, self._line
        expired, foreign = sign.block(line, NOW - 1), sign.block(line, instance=OTHER_INSTANCE)
        unsigned, broken = good.replace(b"alice", b"malle"), b"#Timestamp=1\n"
        bad = [expired, foreign, unsigned, broken]
        self._grant("valid-block-behind-four-that-are-refused", b"\n".join([*bad, good]), "Each block is judged alone.")
        self._grant("valid-block-before-four-that-are-refused", b"\n".join([good, *bad]), "Each block is judged alone.")
        why = "The most specific reason is reported."
        self._case("expired-beside-another-instance", expired + b"\n" + foreign, why, reason="expired")
        self._case("another-instance-beside-a-bad-signature", unsigned + b"\n" + foreign, why,
                   reason="instance-mismatch")  # fmt: skip
        self._case("bad-signature-beside-malformed", broken + b"\n" + unsigned, why, reason="bad-signature")
        short = sign.block(keys.rsa_line(1024))
        self._case("short-key-beside-expired", short + b"\n" + expired, why, reason="key-too-short")


def _base64(signature: bytes) -> bytes:
    return base64.b64encode(signature) + b"\n"


def _md5(line: str) -> str:
    import hashlib

    digest = hashlib.md5(base64.b64decode(line.split()[1]), usedforsecurity=False).digest()
    return "MD5:" + ":".join(f"{byte:02x}" for byte in digest)
