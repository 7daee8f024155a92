# SPDX-License-Identifier: Apache-2.0
"""What names people, accounts, machines and keys is replaced by marks; everything else stays."""

from __future__ import annotations

import ipaddress
import itertools
import json
import re
import string
from typing import List, Optional, Union

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eic_sshd.log.record import clean
from eic_sshd.model.redaction import _KNOWN_ADDRESSES, Redaction

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
        ("x123456789012y, x203.0.113.7, x2001:db8::1", "x<account-1>y, x<address-1>, x<address-2>"),
        ("from 203.0.113.7. Then", "from <address-1>. Then"),
        ("from 203.0.113.77..., ip=203...", "from <address-1>..., ip=<part-1>..."),
        ("(pushed by arn:aws:sts::123456789012:assumed-role/Dev/alice,bob@example.com)", "(pushed by <arn-1>)"),
        ("ec2-203-0-113-7.compute-1.amazonaws.com", "<address-1>.compute-1.amazonaws.com"),
        (r"\x1b123456789012\n2001:db8::1", r"\x1b<account-1>\n<address-1>"),
        ("1.3.6.1.5.5.7.3.3 and 3 times, 1 h ago...", None),
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


# Whatever is beside a value, nothing of it is left.

BESIDE = st.text(st.sampled_from(string.punctuation.replace("%", "") + " \n"), max_size=3)
BEFORE = st.sampled_from(["", "the caller ", "by ", "_", "twice: "])
AFTER = st.sampled_from(["", " twice", "_", ", of a caller", "..."])
REQUESTS = st.builds(lambda one, is_upper: str(one).upper() if is_upper else str(one), st.uuids(), st.booleans())
ACCOUNTS = st.text("0123456789", min_size=12, max_size=12)
# What IAM allows in paths and names; a comma or a full stop at the end also ends a sentence.
NAMES = st.text(st.sampled_from(string.ascii_letters + string.digits + "+=,.@_-!#$%&'()*;<>?[]^`{|}~"), min_size=8)


def spellings(address: Union[ipaddress.IPv4Address, ipaddress.IPv6Address]) -> List[str]:
    """The address in forms that `ipaddress` reads."""
    if isinstance(address, ipaddress.IPv4Address):
        return [str(address)]
    groups = [f"{int(group, 16):x}" for group in address.exploded.split(":")]
    v4 = str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    mixed = [":".join([*groups[:6], v4]), f"::{':'.join(groups[4:6])}:{v4}", f"{groups[0]}::{v4}", f"::ffff:{v4}"]
    found = [str(address), address.exploded, ":".join(groups), *mixed]
    for start, end in itertools.combinations(range(9), 2):
        found.append(f"{':'.join(groups[:start])}::{':'.join(groups[end:])}")
    return [*found, *(one.upper() for one in found)]


ADDRESSES = st.one_of(
    st.ip_addresses(v=4), st.ip_addresses(v=6), st.ip_addresses(v=6, network="2001:db8::/96")
).flatmap(lambda one: st.sampled_from(spellings(one)))  # fmt: skip


def is_known(address: str) -> bool:
    return str(ipaddress.ip_address(address)) in _KNOWN_ADDRESSES


@given(BEFORE, BESIDE, st.one_of(REQUESTS, ACCOUNTS, ADDRESSES), BESIDE, AFTER)
def test_nothing_of_a_value_is_left_whatever_is_beside_it(
    before: str, left: str, value: str, right: str, after: str
) -> None:  # fmt: skip
    assume(not ("." in value or ":" in value) or not is_known(value))
    redacted = Redaction().text(f"{before}{left}{value}{right}{after}")
    assert re.fullmatch(r"[^0-9]*(<(arn|request|account|address|part)-[12]>[^0-9]*)+", redacted), redacted
    longest = max(re.split("[:.-]", value), key=len)
    assert len(longest) < 3 or longest not in re.sub("<.*?>", "", redacted)


@given(ACCOUNTS, NAMES, BESIDE, AFTER)
def test_nothing_of_the_arn_of_a_caller_is_left(account: str, name: str, right: str, after: str) -> None:
    redacted = Redaction().text(f"by arn:aws:iam::{account}:user/{name}{right} {after}")
    assert set(redacted) & set(string.digits) <= {"1"}
    assert re.fullmatch(rf"by <arn-1>[{re.escape(string.punctuation)}\s]*{after}", redacted), redacted


@given(st.text(min_size=1), st.sampled_from(["caller", "request", "instance", "fingerprint"]), BESIDE, BESIDE)
def test_known_value_is_replaced_whatever_it_looks_like(value: str, kind: str, left: str, right: str) -> None:
    redaction = Redaction()
    redaction.know(kind, value)
    for spelling in (value, clean(value), repr(value)[1:-1]):
        redacted = redaction.text(f"{left}{spelling}{right}")
        assert re.search(r"<[a-z]+-[0-9]>", redacted)
        assert len(spelling) < 3 or spelling in left + right or spelling not in re.sub("<.*?>", "<>", redacted)


def test_known_value_that_a_message_shortens_is_replaced() -> None:
    caller, user = "someone " * 300, "long.name" * 30
    redaction = Redaction(user)
    redaction.know("caller", caller)
    for length in (64, 100, 300, 1024):
        assert redaction.text(f"the caller {caller[:length]!r} for {user[:64]}.") == (
            "the caller '<caller-1>' for <user-1>."
        )


def test_members_are_replaced_as_a_whole_and_texts_as_they_are_known() -> None:
    redaction = Redaction()
    redaction.know("caller", "alice@example.com", "x")
    assert redaction.value(
        {
            "caller": "alice@example.com", "callers": ["x", "y"], "request_id": "6A1F0C9E-…", "instance_id": "a b",
            "user": "root", "decided_as": "bob", "fingerprint": None, "reason": "expired", "seen": "x, except: x",
        }
    ) == {
        "caller": "<caller-1>", "callers": ["<caller-2>", "<caller-3>"], "request_id": "<request-1>",
        "instance_id": "<instance-1>", "user": "root", "decided_as": "<user-1>", "fingerprint": None,
        "reason": "expired", "seen": "<caller-2>, except: <caller-2>",
    }  # fmt: skip


@pytest.mark.parametrize("user", ["arn", "user", "1", "expired"])
def test_marks_and_words_of_our_own_are_not_redacted(user: str) -> None:
    redaction = Redaction(user)
    assert redaction.text(f"arn:aws:iam::1:user/x of {user}") == "<arn-1> of <user-1>"
    assert redaction.value({"reason": "expired", "user": user}) == {"reason": "expired", "user": "<user-1>"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("6A1F0C9E-2B3C-4D5E-8F90-123456789ABC", "6a1f0c9e-2b3c-4d5e-8f90-123456789abc"),
        ("2001:db8::1", "2001:0DB8:0:0::0001"),
        ("123456789012", "1234-5678-9012"),
    ],
)
def test_spellings_of_one_value_have_one_mark(one: str, other: str) -> None:
    first, second = Redaction().text(f"{one} {other}").split()
    assert first == second


def test_known_values_that_begin_alike_have_a_mark_each() -> None:
    callers = [f"someone of the department of tests, number {number}" for number in range(300)]
    redaction = Redaction()
    redaction.know("caller", *callers)
    redacted = [redaction.text(f"{caller} pushed it") for caller in callers]
    assert redacted == [f"<caller-{number}> pushed it" for number in range(1, 301)]
