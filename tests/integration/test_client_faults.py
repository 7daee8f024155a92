# SPDX-License-Identifier: Apache-2.0
"""Each fault of the sandbox, and each key that is not allowed, has its reason, and prints nothing."""

from __future__ import annotations

import base64
import socket
from typing import Dict

import pytest

from eic_sandbox.faults import BLOCK_FAULTS, IMDS_FAULTS, METADATA_FAULTS, SIGNER_FAULTS
from eic_sandbox.server import Sandbox
from eic_sshd.model.reasons import Reason
from testbed import keys
from testbed.keys import fingerprint

from .installed_client import CALLER, STARTING, USER, Client, bare

GOOD = ("delegated-staples", "sha256-staple-names", "hostile-staple-names", "wrapped-signatures", "mixed-blocks")
FAULTS: Dict[str, str] = {
    "hang": "imds-unreachable",
    "slow": "imds-unreachable",
    "error-500": "imds-error",
    "error-503": "imds-error",
    "unauthorized": "imds-error",
    "forbidden": "imds-disabled",
    "redirect": "imds-error",
    "drop": "imds-error",
    "truncate": "imds-error",
    "garbage": "imds-error",
    "huge-body": "imds-error",
    "wrong-signer-name": "signer-name-mismatch",
    "other-root": "signer-untrusted",
    "unfit-signer": "signer-untrusted",
    "expired-signer": "signer-untrusted",
    "no-certificate": "signer-untrusted",
    "revoked": "signer-revoked",
    "revoked-long-ago": "signer-revoked",
    "unknown-staples": "staple-invalid",
    "stale-staples": "staple-invalid",
    "early-staples": "staple-invalid",
    "no-next-update-staples": "staple-invalid",
    "unauthorized-responder-staples": "staple-invalid",
    "undelegated-staples": "staple-invalid",
    "refused-staples": "staple-invalid",
    "garbage-staples": "staple-invalid",
    "missing-staples": "staple-missing",
    "missing-staple": "staple-missing",
    "bad-signature": "bad-signature",
    "other-instance": "instance-mismatch",
    "past-timestamp": "expired",
    "far-future-timestamp": "expiry-beyond-window",
    "malformed-blocks": "block-malformed",
    "malformed-keys": "key-malformed",
    "unknown-domain": "domain-unknown",
    "foreign-domain": "domain-unknown",
    "bad-instance-id": "imds-error",
    "no-region": "granted",
    **dict.fromkeys(GOOD, "granted"),
}


def test_every_fault_of_the_sandbox_is_in_the_table() -> None:
    assert set(FAULTS) == {*IMDS_FAULTS, *SIGNER_FAULTS, *BLOCK_FAULTS, *METADATA_FAULTS}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_the_sandbox_has_its_reason_and_prints_nothing(client: Client, ed25519: str, fault: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    client.sandbox.instance.faults.set(fault)
    answer = client.ask(fingerprint=fingerprint(ed25519))
    assert answer.reason == FAULTS[fault], answer.records
    assert answer.printed == (bare(ed25519) if FAULTS[fault] == "granted" else "")
    assert (answer.status, answer.errors) == (0, "")
    assert answer.seconds < 1.0 + STARTING


PATHS = ["api/token", "active-keys", "instance-id", "placement/region", "services/domain", "signer-cert", "signer-ocsp"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("fault", ["hang", "slow", "error-500", "drop", "garbage", "huge-body"])
def test_fault_at_any_read_is_recorded_and_takes_at_most_one_requests_time(
    client: Client, ed25519: str, fault: str, path: str
) -> None:
    client.configure("[keys]\nwindow = 60\n")
    client.sandbox.instance.push(USER, ed25519, CALLER)
    client.sandbox.instance.faults.set(fault, path=path)
    answer = client.ask(fingerprint=fingerprint(ed25519))
    assert (answer.reason, answer.printed) == (FAULTS[fault], "")
    assert answer.seconds < 1.0 + STARTING


@pytest.mark.parametrize("fault", ["unauthorized", "error-500"])
def test_single_401_is_retried_with_a_new_token_and_a_500_is_not(client: Client, ed25519: str, fault: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    client.sandbox.instance.faults.set(fault, path="signer-cert", times=1)
    assert client.ask(fingerprint=fingerprint(ed25519)).reason == (
        "granted" if fault == "unauthorized" else "imds-error"
    )


def test_slow_answers_end_at_the_decisions_deadline(client: Client, ed25519: str) -> None:
    client.set("imds", deadline=0.3, request_timeout=5)
    client.sandbox.instance.faults.set("hang")
    answer = client.ask(fingerprint=fingerprint(ed25519))
    assert answer.reason == "deadline-exceeded"
    assert answer.seconds < 0.3 + STARTING


def test_decision_is_immediate_without_imds(client: Client) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        client.configure(endpoint="http://127.0.0.1:%d" % unused.getsockname()[1])
        answer = client.ask()
    assert (answer.reason, answer.printed) == ("imds-unreachable", "")
    assert answer.seconds < STARTING


PUSHED = {
    "key-type-forbidden": keys.dsa_line(),
    "key-too-short": keys.rsa_line(1024),
    "key-malformed": "ssh-ed25519 AAAA",
}


@pytest.mark.parametrize("reason", PUSHED)
def test_pushed_key_that_is_not_allowed_is_refused_with_its_reason(client: Client, reason: str) -> None:
    client.sandbox.instance.push(USER, PUSHED[reason], CALLER)
    answer = client.ask()
    assert (answer.reason, answer.printed) == (reason, "")


def test_every_reason_is_tested_here_or_listed_as_tested_elsewhere() -> None:
    elsewhere = {
        "granted", "no-active-keys", "fingerprint-mismatch", "user-name-invalid", "not-ec2",
        "deadline-exceeded", "config-invalid", "fallback-file", "internal-error", "imds-unreachable",
        "authorizer-failed", "openssl-missing", "library-unusable", "region-mismatch", "user-forbidden",
        "user-skipped", "groups-unknown", "user-groups-unknown", "skip-groups-unknown", "caller-forbidden",
        "caller-missing", "caller-malformed",
    }  # fmt: skip
    assert {reason.word for reason in Reason} == set(FAULTS.values()) | set(PUSHED) | elsewhere


def test_pushed_bytes_that_are_not_a_key_are_refused(client: Client, sandbox: Sandbox) -> None:
    sandbox.instance.push(USER, base64.b64encode(b"junk").decode(), "arn\n#Instance=i-0")
    assert client.ask().reason in ("block-malformed", "key-malformed")
