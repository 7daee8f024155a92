# SPDX-License-Identifier: Apache-2.0
"""What names people, accounts, machines and keys is replaced by marks; everything else stays."""

from __future__ import annotations

import json
from typing import Optional

import pytest

from eic_sshd.model.redaction import Redaction

FINGERPRINT = "SHA256:" + "aB3/" * 10 + "xyz"
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIMdkvaUoKOEVKU/+KaaPzOH7r+pBGvkC9z6nxMpLXJ5f"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("pushed by arn:aws:sts::123456789012:assumed-role/Admin/alice, twice", "pushed by <arn-1>, twice"),
        ("arn:aws-us-gov:iam::123456789012:user/a b", "<arn-1> b"),
        ("account 123456789012.", "account <account-1>."),
        ("to i-0fedcba9876543210, this is i-0123456789abcdef0", "to <instance-1>, this is <instance-2>"),
        ("again i-0123abcd and i-0123abcd", "again <instance-1> and <instance-1>"),
        ("request 900754cc-c59a-487f-b4ec-3e68c2cad2d9", "request <request-1>"),
        (f"key {FINGERPRINT} for", "key <fingerprint-1> for"),
        ("MD5:" + ":".join(["0a"] * 16), "<fingerprint-1>"),
        (f"restrict ssh-ed25519 {KEY}", "restrict ssh-ed25519 <key-1>"),
        ("from 10.1.2.3 and 2001:db8::1", "from <address-1> and <address-2>"),
        ("2001:db8:0:0:0:0:0:1", "<address-1>"),
        ("http://169.254.169.254 and http://[fd00:ec2::254]", "http://169.254.169.254 and http://[fd00:ec2::254]"),
        ("refused for alice: [users] deny has alice", "refused for <user-1>: [users] deny has <user-1>"),
        ("malice and alice-2", "malice and alice-2"),
        ("the root of managed-ssh-signer.us-west-2.amazonaws.com", None),
        ("valid until 2026-11-29T06:09:28Z, for 59 s (1700000060)", None),
        ("Rule 3: Certificate::verify", None),
        ("managed-ssh-keys/signer-ocsp/7F753DFD9F6707B133B8C301DED1EEF3BB6B6445", None),
    ],
)
def test_text_is_redacted(text: str, redacted: Optional[str]) -> None:
    assert Redaction("alice").text(text) == (redacted or text)


def test_root_is_no_name_of_a_person() -> None:
    assert Redaction("root").text("none of the trusted root certificates; root") == (
        "none of the trusted root certificates; root"
    )


def test_names_of_members_stay_and_one_value_has_one_mark() -> None:
    value = {"user": "user", "blocks": [{"caller": "arn:aws:iam::1:user/x", "n": 1, "none": None}], "ok": True}
    assert Redaction("user").value(value) == {
        "user": "<user-1>", "blocks": [{"caller": "<arn-1>", "n": 1, "none": None}], "ok": True
    }  # fmt: skip
    redaction = Redaction()
    assert redaction.text("arn:aws:iam::1:user/x") == redaction.text("arn:aws:iam::1:user/x") == "<arn-1>"


def test_long_text_is_redacted_in_little_time() -> None:
    text = json.dumps(["a" * 20_000, ":" * 20_000, "1:" * 10_000, "AAAA" * 5_000, "1." * 10_000])
    assert isinstance(Redaction("alice").text(text), str)
