# SPDX-License-Identifier: Apache-2.0
"""What the log of the last day says that is wrong."""

from __future__ import annotations

from typing import List

import pytest

from eic_sshd.diagnose.finding import Severity
from eic_sshd.diagnose.recent_records import Entry, findings
from eic_sshd.model.redaction import Redaction

NOW = 1_700_000_000.0


def record(reason: str, minutes: float = 5) -> Entry:
    return Entry(NOW - 60 * minutes, f"refused a key ({reason})", reason)


def line(message: str) -> Entry:
    return Entry(NOW - 60, message)


def codes(*entries: Entry) -> List[str]:
    return [one.code for one in findings(entries, NOW)]


# sshd's lines, of OpenSSH 9.2 and 10.0.
LINES = {
    'error: Unsafe AuthorizedKeysCommand "/x": bad ownership or modes for directory /': "recent-program-unsafe",
    'error: Could not stat AuthorizedKeysCommand "/x": No such file or directory': "recent-program-unsafe",
    "error: AuthorizedKeysCommand path is not absolute": "recent-program-unsafe",
    'error: AuthorizedKeysCommand execve "/x": Permission denied': "recent-program-unusable",
    "error: AuthorizedKeysCommand /x %u %f failed, status 127": "recent-program-unusable",
    'error: AuthorizedKeysCommandUser "eic-sshd" not found: Success': "recent-account-missing",
    "error: maximum authentication attempts exceeded for u from 192.0.2.1 port 1 ssh2 [preauth]": "too-many-keys",
    "drop connection #0 from [192.0.2.1]:1 on [192.0.2.2]:22 penalty: failed authentication": "connections-dropped",
    "drop connection #10 from [192.0.2.1]:1 on [192.0.2.2]:22 past MaxStartups": "connections-dropped",
    "drop connection #1 from [127.0.0.1]:49752 on [127.0.0.1]:22 Maxstartups": "connections-dropped",
    "error: beginning MaxStartups throttling": "connections-dropped",
    "fatal: Access denied for user u by PAM account configuration [preauth]": "pam-denied",
    "User u from 192.0.2.1 not allowed because not listed in AllowUsers": "user-not-allowed",
    "Authentication tried for u with correct key but not from a permitted host": "key-options-refused",
}


@pytest.mark.parametrize("message", LINES)
def test_line_of_sshd_is_a_warning(message: str) -> None:
    (found,) = findings([line(message)], NOW)
    assert (found.code, found.severity) == (LINES[message], Severity.WARNING)
    assert message.rstrip(".")[:80] in found.text()


@pytest.mark.parametrize(
    "message",
    ["Accepted publickey for u from 192.0.2.1 port 1 ssh2", "Connection closed by 192.0.2.1 port 1", ""],
)
def test_ordinary_line_of_sshd_is_none(message: str) -> None:
    assert codes(line(message)) == ["records-clean"]


@pytest.mark.parametrize("reason", ["imds-unreachable", "staple-invalid", "expired", "config-invalid"])
def test_record_of_a_fault_is_a_warning(reason: str) -> None:
    assert codes(record(reason)) == [f"recent-{reason}"]


@pytest.mark.parametrize("reason", ["granted", "no-active-keys", "fingerprint-mismatch", "fallback-file", "forged"])
def test_record_of_an_ordinary_decision_is_none(reason: str) -> None:
    assert codes(record(reason)) == ["records-clean"]


def test_a_fault_after_which_a_key_was_granted_is_over() -> None:
    assert codes(record("imds-unreachable"), record("granted")) == ["records-clean"]
    assert codes(record("granted"), record("imds-unreachable")) == ["recent-imds-unreachable"]


@pytest.mark.parametrize("message", LINES)
def test_line_of_sshd_about_the_program_is_over_once_a_key_was_granted(message: str) -> None:
    is_over = LINES[message] in ("recent-program-unsafe", "recent-program-unusable", "recent-account-missing")
    assert codes(line(message), record("granted", 0.5)) == ["records-clean" if is_over else LINES[message]]
    assert codes(record("granted", 2), line(message)) == [LINES[message]]


@pytest.mark.parametrize(
    "reason",
    ["bad-signature", "instance-mismatch", "signer-untrusted", "signer-name-mismatch", "domain-unknown",
     "expiry-beyond-window", "caller-malformed", "block-malformed", "signer-revoked", "region-mismatch"],
)  # fmt: skip
def test_what_may_be_an_attack_is_not_over_because_a_key_was_granted(reason: str) -> None:
    assert codes(record(reason), record("granted")) == [f"recent-{reason}"]


def test_equal_records_are_counted_and_the_last_one_is_shown() -> None:
    (found,) = findings([record("expired", 90), record("expired", 7)], NOW)
    assert "2 times, the last 7 min ago" in found.text()
    (found,) = findings([record("expired", 600)], NOW)
    assert "once, 10 h ago" in found.text()


def test_a_long_message_is_cut() -> None:
    (found,) = findings([Entry(NOW, "x" * 10_000, "expired")], NOW)
    assert len(found.problem) < 300


def test_a_long_message_is_cut_between_words() -> None:
    for length in range(100, 160):
        message = f"User {'u' * length} from 203.0.113.77 not allowed because of arn:aws:iam::1:user/bob, by alice " * 2
        (found,) = findings([line(message)], NOW)
        shown = found.problem.rpartition(" (")[2].removesuffix(")").removesuffix(" ...")
        assert f"{message} ".startswith(f"{shown} ")
        assert "203" not in Redaction("alice").text(found.problem)
