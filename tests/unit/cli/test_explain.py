# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd explain`: what it prints, saves and decides on again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Dict, List

import pytest

from eic_sshd.cli import build_parser
from eic_sshd.config.values import os_users
from eic_sshd.model import caller_pattern
from testbed import keys
from testbed.keys import fingerprint

from .explaining import Explain, after

CALLER = "arn:aws:sts::123456789012:assumed-role/Admin/alice"
USER = "root"  # every machine has it


def push(command: Explain, line: str) -> str:
    return command.scene.instance.push(USER, line, CALLER)


def test_granted_key_is_shown_with_what_sshd_gets(command: Explain, ed25519: str) -> None:
    command.configure("[keys]\noptions = restrict,pty\n")
    command.scene.settings = {"keys": {"options": "restrict,pty"}}
    request = push(command, ed25519)
    printed = command.run(USER, fingerprint(ed25519))
    assert printed.startswith(f"granted ssh-ed25519 {fingerprint(ed25519)} to root, pushed by {CALLER}\n")
    assert after(printed, "sshd gets") == f"  restrict,pty {' '.join(ed25519.split()[:2])}"
    assert f"  caller   {CALLER}\n  request  {request}\n" in printed
    assert re.search(r"(?m)^  ok       8 fingerprint  SHA256:", printed)
    assert re.search(r"(?m)^ +[0-9.]+ ms  judging the pushed keys$", printed)


def test_refused_key_is_shown_with_its_rule_and_a_remedy(command: Explain, ed25519: str) -> None:
    push(command, ed25519)
    command.scene.instance.faults.set("past-timestamp")
    printed = command.run(USER, fingerprint(ed25519))
    assert "(expired)\n  The pushed key's Timestamp has passed.\n  Push the key again" in printed
    assert re.search(r"(?m)^  problem  6 time         the key expired [0-9]+ s ago$", printed)
    assert re.search(r"(?m)^  unknown  7 key          not checked$", printed)
    assert after(printed, "sshd gets") == "  nothing"


def test_caller_of_a_block_that_is_not_verified_is_marked(command: Explain, ed25519: str) -> None:
    push(command, ed25519)
    command.scene.instance.faults.set("bad-signature")
    assert f"  caller   {CALLER} (not verified)\n" in command.run(USER)


def test_lines_have_at_most_80_columns_but_for_values(command: Explain, ed25519: str) -> None:
    push(command, ed25519)
    command.scene.instance.faults.set("mixed-blocks")
    lines = command.run(USER).splitlines()[1:]  # the first one is the sentence of the record
    assert [line for line in lines if len(line) > 80 and max(map(len, line.split())) < 40] == []


def test_control_characters_of_imds_are_not_printed(command: Explain, ed25519: str) -> None:
    command.scene.instance.push(USER, ed25519, "arn:\x1b[31m\x07forged")
    for options in ([], ["--json"], ["--redact"]):
        printed = command.run(USER, *options)
        assert "\x1b" not in printed
        assert "\x07" not in printed


def test_user_that_is_not_on_this_machine_is_noted(command: Explain) -> None:
    printed = command.run("no-such-user-here")
    assert "There is no user no-such-user-here on this machine" in printed
    assert "There is no user" not in command.run(USER)


@pytest.mark.parametrize("user", ["", "a b", "../root", "x\0", "\udcff", "x" * 300])
def test_invalid_user_name_is_explained(command: Explain, user: str) -> None:
    document = json.loads(command.run(user, "--json"))
    assert (document["reason"], document["rule"]) == ("user-name-invalid", 1)
    assert command.scene.imds.reads == []


def test_invalid_configuration_is_explained_and_nothing_is_read(command: Explain) -> None:
    command.configure("[keys]\nwindwo = 1\n")
    document = json.loads(command.run(USER, "--json"))
    assert (document["decision"], document["reason"], document["rule"]) == ("error", "config-invalid", None)
    assert f"{command.config}:6: unknown key windwo" in document["detail"]
    assert {rule["state"] for rule in document["rules"]} == {"unknown"}
    assert command.scene.imds.reads == []


def test_chained_command_is_named_where_it_would_run(command: Explain, ed25519: str) -> None:
    command.configure("[chain]\ncommand = /bin/false %u\n")
    assert after(command.run(USER), "sshd gets") == "  the output of [chain] command, which explain does not run"
    push(command, ed25519)
    assert json.loads(command.run(USER, "--json"))["chained_command"] is True
    assert json.loads(command.run(USER, fingerprint(ed25519), "--json"))["chained_command"] is False


# Saving and deciding again.


def test_saved_answers_give_the_same_decision_without_imds(command: Explain, ed25519: str, tmp_path: Path) -> None:
    push(command, ed25519)
    push(command, keys.ed25519_line())
    first = json.loads(command.run(USER, fingerprint(ed25519), "--save", str(tmp_path / "case"), "--json"))
    reads = list(command.scene.imds.reads)
    command.scene.instance.forget_keys()
    again = json.loads(command.run("--from", str(tmp_path / "case"), "--json"))
    assert command.scene.imds.reads == reads
    for document in (first, again):
        del document["steps"]
        assert [request.pop("ms") for request in document["requests"]] != []
    assert again == first
    assert first["reason"] == "granted"


def test_saved_answers_are_decided_on_as_of_another_time(command: Explain, ed25519: str, tmp_path: Path) -> None:
    push(command, ed25519)
    saved = json.loads(command.run(USER, "--save", str(tmp_path / "case"), "--json"))
    (block,) = saved["blocks"]
    for time in (block["expires"], "2050-01-31T12:00:00Z", "1700000000", "2023-11-14T22:13:20+00:00"):
        again = json.loads(command.run("--from", str(tmp_path / "case"), "--as-of", time, "--json"))
        assert again["reason"] in ("expired", "signer-untrusted")
        assert again["as_of"] == {"1700000000": "2023-11-14T22:13:20Z"}.get(time, time).replace("+00:00", "Z")
    assert json.loads(command.run("--from", str(tmp_path / "case"), "--json"))["as_of"] == saved["as_of"]


def test_time_of_as_of_is_given_where_the_configuration_is_invalid(command: Explain, tmp_path: Path) -> None:
    command.run(USER, "--save", str(tmp_path / "case"))
    command.configure("[keys]\nwindwo = 1\n")
    again = json.loads(command.run("--from", str(tmp_path / "case"), "--as-of", "2020-01-01T00:00:00Z", "--json"))
    assert (again["reason"], again["as_of"]) == ("config-invalid", "2020-01-01T00:00:00Z")


def test_timestamp_after_the_year_9999_is_no_time(command: Explain, ed25519: str, tmp_path: Path) -> None:
    push(command, ed25519)
    command.run(USER, "--save", str(tmp_path / "case"))
    for timestamp, expires in (("253402300799", "9999-12-31T23:59:59Z"), ("253402300800", None), ("9" * 15, None)):
        for file in (tmp_path / "case").iterdir():
            file.write_text(re.sub("#Timestamp=[0-9]+", f"#Timestamp={timestamp}", file.read_text()))
        (block,) = json.loads(command.run("--from", str(tmp_path / "case"), "--json"))["blocks"]
        assert block["expires"] == expires


def test_saved_answers_can_be_asked_about_another_key_or_user(command: Explain, ed25519: str, tmp_path: Path) -> None:
    push(command, ed25519)
    command.run(USER, fingerprint(ed25519), "--save", str(tmp_path / "case"))
    folder = str(tmp_path / "case")
    other = fingerprint(keys.ed25519_line())
    assert json.loads(command.run("--from", folder, USER, other, "--json"))["reason"] == "fingerprint-mismatch"
    document = json.loads(command.run("--from", folder, "daemon", "--json"))
    assert document["reason"] == "imds-error"
    assert "was not read when the answers were saved" in document["detail"]


def test_saved_groups_are_used_in_place_of_those_of_this_machine(
    command: Explain, ed25519: str, tmp_path: Path
) -> None:
    text = f'[policy "staff"]\ncallers = {CALLER}\nos_users = @staff\n'
    command.configure(text)
    command.scene.settings = {
        'policy "staff"': {"callers": (caller_pattern.parse(CALLER),), "os_users": os_users("@staff")}
    }
    command.scene.groups, command.scene.memberships = ["staff"], {"nobody": ["staff"]}
    command.scene.instance.push("nobody", ed25519, CALLER)
    folder = str(tmp_path / "case")
    assert json.loads(command.run("nobody", "--save", folder, "--json"))["reason"] == "granted"
    command.scene.memberships = {}
    lookups = command.scene.lookups
    again = json.loads(command.run("--from", folder, "--json"))
    assert (again["reason"], command.scene.lookups) == ("granted", lookups)
    index = json.loads((tmp_path / "case/saved.json").read_text())
    assert index["groups"] == {"staff": True}
    (tmp_path / "case/saved.json").write_text(json.dumps({**index, "groups": {}}))
    assert json.loads(command.run("--from", folder, "--json"))["reason"] == "groups-unknown"


def test_saved_folder_says_that_it_is_private(command: Explain, tmp_path: Path) -> None:
    printed = command.run(USER, "--save", str(tmp_path / "case"))
    assert printed.endswith(f"\n\n{tmp_path}/case holds IMDS's answers: keep it private.\n")
    saved = json.loads((tmp_path / "case/explanation.json").read_text())
    assert saved["reason"] == "no-active-keys"


def test_redacted_save_holds_verdicts_and_nothing_that_names_anyone(
    command: Explain, ed25519: str, tmp_path: Path
) -> None:
    request = push(command, ed25519)
    push(command, keys.dsa_line())
    printed = command.run(USER, "--save", str(tmp_path / "case"), "--redact")
    assert printed.endswith(f"\n\n{tmp_path}/case holds verdicts, and none of IMDS's answers.\n")
    files = {file.name: file.read_text() for file in (tmp_path / "case").iterdir()}
    assert set(files) == {"saved.json", "explanation.json"}
    document = json.loads(files["explanation.json"])
    assert document["redacted"] is True
    assert [block["reason"] for block in document["blocks"]] == ["granted", "key-type-forbidden"]
    for text in (printed, *files.values()):
        for secret in (CALLER, "123456789012", "alice", request, fingerprint(ed25519), ed25519.split()[1], "i-0123"):
            assert secret not in text, secret
    assert "it is redacted" in command.run("--from", str(tmp_path / "case"), status=1)


def test_folder_that_exists_is_not_written_to_and_imds_is_not_read(command: Explain, tmp_path: Path) -> None:
    assert "it exists already" in command.run(USER, "--save", str(tmp_path), status=1)
    assert command.scene.imds.reads == []


def test_incomplete_folder_is_removed(command: Explain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> object:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(command, "dependencies", fails)
    with pytest.raises(RuntimeError):
        command.run(USER, "--save", str(tmp_path / "case"))
    assert not (tmp_path / "case").exists()


# Wrong arguments.

WRONG: Dict[str, List[str]] = {
    "USER: it is missing": [],
    "--as-of: it needs --from": [USER, "--as-of", "0"],
    "no such file here: No such file or directory": [USER, "no such file here"],
}


@pytest.mark.parametrize("problem", WRONG)
def test_wrong_arguments_end_with_status_2(command: Explain, problem: str) -> None:
    assert command.run(*WRONG[problem], status=2).startswith(f"eic-sshd: {problem}.")
    assert command.scene.imds.reads == []


@pytest.mark.parametrize(
    "words",
    [
        ["--as-of", "yesterday", "--from", "x"],
        ["--as-of", "-1", "--from", "x"],
        ["--as-of", "9" * 30, "--from", "x"],
        ["--as-of", "0001-01-01T00:00:00Z", "--from", "x"],
        ["--save", "x", "--from", "y"],
        ["root", "x", "y"],
    ],
)
def test_arguments_that_do_not_fit_are_a_usage_error(words: List[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser(["explain"]).parse_args(["explain", *words])
    assert caught.value.code == 2


# --redact.

OPTIONS = pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])


@OPTIONS
@pytest.mark.parametrize(
    "caller",
    [
        "arn:aws:sts::123456789012:assumed-role/Dev/alice,bob@example.com",
        "arn:aws:iam::123456789012:user/a(b)/it's;/bob@example.com",
        "arn:aws:iam::123456789012:user/carol and bob@example.com",
        "bob@example.com",
        "bob@example.com, of a long name " * 30,
    ],
)
def test_caller_is_redacted_whatever_it_looks_like(
    command: Explain, ed25519: str, caller: str, options: List[str]
) -> None:
    command.configure('[policy "x"]\ncallers = arn:aws:iam::123456789012:user/x\nos_users = root\n')
    command.scene.settings = {
        'policy "x"': {
            "callers": (caller_pattern.parse("arn:aws:iam::123456789012:user/x"),), "os_users": os_users("root"),
        }
    }  # fmt: skip
    command.scene.instance.push(USER, ed25519, caller)
    assert caller[:40] in json.loads(command.run(USER, "--json"))["blocks"][0]["caller"]
    assert "bob@" not in command.run(USER, "--redact", *options)
    assert "bob@" not in command.run("--caller", caller, USER, "--redact", *options)


@OPTIONS
def test_long_user_name_is_redacted_where_it_is_shortened(command: Explain, options: List[str]) -> None:
    for user in ("Eve.Example" * 12, "Eve Example " * 12, "Eve'Example\\" * 12):
        assert "Eve" not in command.run(user, "--redact", *options)
        assert "Eve" not in command.run("--caller", CALLER, user, "--redact", *options)


@OPTIONS
def test_values_of_a_saved_folder_are_redacted_by_what_they_are(
    command: Explain, ed25519: str, tmp_path: Path, options: List[str]
) -> None:
    request = push(command, ed25519)
    folder = tmp_path / "case"
    command.run(USER, "--save", str(folder))
    for file in folder.iterdir():
        text = file.read_text().replace(request, "REQUEST-OF-BOB").replace(CALLER, "bob@example.com")
        file.write_text(text)
    assert "REQUEST-OF-BOB" in command.run("--from", str(folder), "--json")
    printed = command.run("--from", str(folder), "--redact", *options)
    assert "BOB" not in printed
    assert "bob@" not in printed
    assert "<caller-1>" in printed


def test_message_is_redacted_too(command: Explain) -> None:
    message = command.run("alice", "--redact", "--from", "/nowhere/alice/10.1.2.3", status=1)
    assert message.startswith("eic-sshd: /nowhere/<user-1>/<address-1>: the folder cannot be read")
