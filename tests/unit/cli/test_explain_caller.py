# SPDX-License-Identifier: Apache-2.0
"""`explain --caller ARN USER` answers without a pushed key and without IMDS."""

from __future__ import annotations

import json
from typing import List

import pytest

from .explaining import Explain

ROLE = "arn:aws:sts::123456789012:assumed-role/Operators/alice"
POLICY = """
[policy "operators"]
callers = arn:aws:sts::123456789012:assumed-role/Operators/*
os_users = root
[policy "others"]
callers = arn:aws:iam::123456789012:user/*
os_users = *
"""


def test_caller_whom_a_policy_allows_is_shown_with_it(command: Explain) -> None:
    command.configure(POLICY)
    printed = command.run("--caller", ROLE, "root")
    assert printed.startswith(f"a key that {ROLE} pushes may log in as root, if the other rules hold\n")
    assert "  ok       9 policy       allowed by [policy] operators\n" in printed
    assert "  ok       operators\n           callers has the caller, os_users has the user\n" in printed
    assert "  problem  others\n           callers does not have the caller\n" in printed
    assert command.scene.imds.reads == []


def test_caller_whom_no_policy_allows_is_shown_with_a_remedy(command: Explain) -> None:
    command.configure(POLICY)
    printed = command.run("--caller", "arn:aws:iam::123456789012:user/eve", "root")
    assert "(caller-forbidden)\n  The key was pushed by a caller whom no `[policy]` lets log in" in printed
    assert "  problem  9 policy " in printed


def test_caller_is_answered_in_json(command: Explain) -> None:
    command.configure(POLICY)
    document = json.loads(command.run("--caller", ROLE, "root", "--json"))
    assert (document["decision"], document["reason"], document["uid"]) == ("allowed", None, 0)
    assert document["policies"][0] == {
        "policy": "operators",
        "state": "ok",
        "callers": ["arn:aws:sts::123456789012:assumed-role/Operators/*"],
        "seen": "callers has the caller, os_users has the user",
    }
    document = json.loads(command.run("--caller", "nobody", "root", "--json"))
    assert (document["decision"], document["reason"], document["rule"]) == ("refused", "caller-malformed", 9)


def test_caller_is_redacted(command: Explain) -> None:
    command.configure(POLICY)
    for options in ([], ["--json"]):
        printed = command.run("--caller", ROLE, "root", "--redact", *options)
        assert "123456789012" not in printed
        assert "alice" not in printed


def test_invalid_configuration_is_the_answer(command: Explain) -> None:
    command.configure("[policy x]\n")
    document = json.loads(command.run("--caller", ROLE, "root", "--json"))
    assert (document["decision"], document["reason"]) == ("error", "config-invalid")
    assert "cannot be decided on" in command.run("--caller", ROLE, "root")


def test_user_who_is_not_on_this_machine_is_noted(command: Explain) -> None:
    assert "There is no user no-such-user-here" in command.run("--caller", ROLE, "no-such-user-here")


@pytest.mark.parametrize("caller", ["", "\x1b[31m", "arn:aws:iam::1:user/x", "a" * 5000, "\udcff", "x\ny"])
def test_text_that_is_no_caller_is_explained_without_control_characters(command: Explain, caller: str) -> None:
    command.configure(POLICY)
    printed = command.run("--caller", caller, "root")
    assert "(caller-malformed)" in printed
    assert "\x1b" not in printed


@pytest.mark.parametrize("words", [["root", "SHA256:x"], ["root", "--save", "x"], ["--from", "x"]])
def test_options_that_need_a_pushed_key_are_refused(command: Explain, words: List[str]) -> None:
    assert "--caller: it can be used with USER only" in command.run("--caller", ROLE, *words, status=2)
