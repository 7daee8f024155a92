# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from eic_sshd.invocation import Invocation
from eic_sshd.log import record
from eic_sshd.model.decision import Decision
from eic_sshd.model.outcome import INFO, Outcome
from eic_sshd.model.reasons import Reason

from .decisions import GRANTED, KEY, REQUEST


def test_the_record_of_a_grant_has_every_field() -> None:
    assert record.fields(GRANTED) == {
        "decision": "granted",
        "reason": "granted",
        "user": "ec2-user",
        "fingerprint": KEY.fingerprint,
        "key_type": "ssh-ed25519",
        "caller": "arn:aws:sts::1:assumed-role/Admin/alice",
        "request_id": "r-1",
        "expires": 1700000060,
        "instance_id": "i-0123456789abcdef0",
        "source": "imds",
        "elapsed_us": 1234,
        "sshd_pid": 4242,
    }


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_makes_a_sentence_and_fields(reason: Reason) -> None:
    decision = Decision(REQUEST, reason, "some detail", (KEY,) if reason.outcome is Outcome.GRANTED else ())
    fields = record.fields(decision)
    assert (fields["reason"], fields["decision"]) == (reason.word, reason.outcome.value)
    assert "ec2-user" in record.sentence(decision)
    assert "\n" not in record.sentence(decision)


def test_a_user_without_pushed_keys_is_recorded_without_alarm() -> None:
    sentence = record.sentence(Decision(REQUEST, Reason.NO_ACTIVE_KEYS, ""))
    assert sentence == f"no key is pushed for ec2-user; requested: key {REQUEST.fingerprint} (no-active-keys)"
    assert Reason.NO_ACTIVE_KEYS.severity == INFO


def test_a_broken_fallback_is_recorded_when_no_key_is_pushed() -> None:
    sentence = record.sentence(Decision(REQUEST, Reason.NO_ACTIVE_KEYS, "fallback /k/ec2-user: Permission denied"))
    assert sentence.endswith("; fallback /k/ec2-user: Permission denied (no-active-keys)")


def test_a_long_value_is_cut_off() -> None:
    decision = Decision(Invocation("u" * 10_000, "f" * 10_000, begun=0.0), Reason.IMDS_ERROR, "d" * 100_000)
    assert len(record.sentence(decision)) < 5000
    assert all(len(str(value)) < 2000 for value in record.fields(decision).values())


def test_every_reason_is_documented_and_every_outcome_has_its_own_message_id() -> None:
    assert len({reason.word for reason in Reason}) == len(Reason)
    assert len({outcome.message_id for outcome in Outcome}) == len(Outcome)
    for reason in Reason:
        assert reason.meaning.endswith(".")
        assert reason.remedy.endswith((".", "`."))
