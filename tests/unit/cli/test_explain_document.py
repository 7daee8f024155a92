# SPDX-License-Identifier: Apache-2.0
"""docs/explain.md shows what the command prints, and names every member of its JSON."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Dict, List

import pytest

from eic_sshd.host.hardware import SavedHardware
from eic_sshd.model.redaction import Redaction
from eic_sshd.model.verdict import Rule
from testbed import keys
from testbed.keys import fingerprint
from tools.documents import ROOT

from ..decide.scene import reinstate
from .explaining import Explain

DOCUMENT = (Path(ROOT) / "docs/explain.md").read_text()
USER = "root"
TYPES: Dict[str, type] = {
    "text": str, "whole number": int, "number": float, "true or false": bool, "list": list, "null": type(None),
}  # fmt: skip


def same_for_all(text: str) -> str:
    """`text` with marks in place of what is another at each run: names, keys, times."""
    text = re.sub(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z", "TIME", Redaction().text(text))
    text = re.sub(r"(?m), decided as \S+$", ", decided as USER", text)
    text = re.sub(r"[0-9A-F]{40}", "STAPLE", re.sub(r"\b[0-9]+ s\b", "N s", text))
    return re.sub(r" *[0-9]+\.[0-9] ms", " N ms", text)


def example(command: Explain) -> str:
    """What is printed where one caller's key has expired and another caller's has not."""
    command.configure("[keys]\noptions = restrict,pty\n")
    scene = command.scene
    scene.hardware = SavedHardware({"sys/devices/virtual/dmi/id/board_asset_tag": "i-0123456789abcdef0"})
    old, new = keys.ed25519_line(), keys.ed25519_line()
    scene.instance._clock = lambda: time.time() - 75
    scene.instance.push(USER, old, "arn:aws:sts::123456789012:assumed-role/Operators/bob")
    expired = scene.instance.read(f"managed-ssh-keys/active-keys/{USER}") or b""
    scene.instance._clock = time.time
    scene.instance.push(USER, new, "arn:aws:sts::123456789012:assumed-role/Operators/alice")
    reinstate(scene, expired + b"\n" + (scene.instance.read(f"managed-ssh-keys/active-keys/{USER}") or b""))
    return command.run(USER, fingerprint(new))


def test_example_of_the_document_is_what_the_command_prints(command: Explain) -> None:
    shown = re.findall(r"(?s)    \$ eic-sshd explain root .*?\n(.*?)\n(?=\S)", DOCUMENT)[0]
    lines = [line[4:] for line in shown.rstrip().splitlines()]
    assert same_for_all("\n".join(lines)) == same_for_all(example(command).rstrip())


def members(title: str) -> Dict[str, List[str]]:
    """The members of the table below `title`, with the types that each may have."""
    table = DOCUMENT.partition(f"\n### {title}\n")[2].strip().partition("\n\n")[0]
    rows = re.findall(r"(?m)^\| `(\w+)` \| ([^|]+) \|", table)
    return {name: kinds.split(", ") for name, kinds in rows}


def require_members(found: Dict[str, object], title: str) -> None:
    expected = members(title)
    assert list(found) == list(expected)
    for name, value in found.items():
        assert type(value) in [TYPES[kind] for kind in expected[name]], name


@pytest.mark.parametrize("fault", [None, "mixed-blocks", "other-root", "wrong-signer-name"])
def test_json_has_the_members_that_the_document_names(command: Explain, ed25519: str, fault: str) -> None:
    command.scene.instance.push(USER, ed25519, "arn:aws:sts::123456789012:assumed-role/Admin/alice")
    if fault:
        command.scene.instance.faults.set(fault)
    documents = [json.loads(command.run(USER, *key, "--json")) for key in ([], [fingerprint(ed25519)])]
    for document in documents:
        require_members(document, "The members")
        for name in ("rules", "blocks", "steps", "requests"):
            for one in document[name]:
                require_members(one, f"Each of `{name}`")
        for block in document["blocks"]:
            for rule in block["rules"]:
                require_members(rule, "Each of `rules`")


def test_json_of_a_caller_has_the_members_that_the_document_names(command: Explain) -> None:
    role = "arn:aws:sts::123456789012:assumed-role/Operators/"
    command.configure(f'[policy "operators"]\ncallers = {role}*\nos_users = root\n')
    for caller, user in ((f"{role}alice", "root"), ("nobody", "no-such-user-here")):
        document = json.loads(command.run("--caller", caller, user, "--json"))
        require_members(document, "With `--caller`")
        for name in ("rules", "policies"):
            for one in document[name]:
                require_members(one, f"Each of `{name}`")


def test_troubleshooting_names_every_rule_as_explain_does() -> None:
    text = (Path(ROOT) / "docs/troubleshooting.md").read_text()
    named = re.findall(r"`(?:problem  )?([0-9]) ([a-z ]+)`", text)
    assert named == [(str(int(rule)), rule.name.lower().replace("_", " ")) for rule in Rule]
