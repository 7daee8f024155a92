# SPDX-License-Identifier: Apache-2.0
"""Keys on disk in place of pushed keys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eic_sshd.model.public_key import PublicKey, parse
from eic_sshd.model.reasons import Reason
from testbed import keys
from testbed.keys import fingerprint

from .scene import USER, Scene


def fallback(scene: Scene, folder: Path, when: str, *lines: str) -> None:
    (folder / USER).write_text("# on disk\n\n" + "".join(f"{line}\n" for line in lines))
    (folder / USER).chmod(0o644)
    scene.settings["fallback"] = {"keys_file": str(folder / "%u"), "when": when}


UNAVAILABLE = ["other-root", "missing-staples", "unknown-domain", "bad-instance-id", "revoked"]


@pytest.mark.parametrize(
    ("when", "fault", "given"),
    [
        ("never", "", False),
        ("never", "other-root", False),
        ("unavailable", "", False),
        *(("unavailable", fault, True) for fault in UNAVAILABLE),
        ("unavailable", "bad-signature", False),
        ("no-key", "", True),
        ("no-key", "other-root", True),
        ("no-key", "bad-signature", True),
        ("no-key", "past-timestamp", True),
    ],
)
def test_keys_on_disk_are_granted_as_the_fallback_setting_says(
    scene: Scene, ed25519: str, tmp_path: Path, when: str, fault: str, given: bool
) -> None:
    fallback(scene, tmp_path, when, ed25519)
    if fault:
        scene.instance.push(USER, ed25519, "arn")
        scene.instance.faults.set(fault)
    decision = scene.ask(fingerprint=fingerprint(ed25519))
    assert (decision.reason is Reason.FALLBACK_FILE) == given
    assert decision.keys == ((parse(ed25519.encode()),) if given else ())
    if given:
        assert decision.source is not None
        assert decision.source.value == "file"


def test_pushed_key_takes_precedence_over_keys_on_disk(scene: Scene, ed25519: str, tmp_path: Path) -> None:
    fallback(scene, tmp_path, "no-key", keys.ed25519_line())
    scene.instance.push(USER, ed25519, "arn")
    assert scene.ask().reason is Reason.GRANTED


def test_key_on_disk_is_granted_although_another_key_is_pushed(scene: Scene, ed25519: str, tmp_path: Path) -> None:
    fallback(scene, tmp_path, "no-key", ed25519)
    scene.instance.push(USER, keys.ed25519_line(), "arn")
    assert scene.ask(fingerprint=fingerprint(ed25519)).reason is Reason.FALLBACK_FILE


def test_keys_on_disk_must_be_of_an_allowed_type_and_length(scene: Scene, ed25519: str, tmp_path: Path) -> None:
    refused = [
        keys.dsa_line(),
        keys.certificate_line(),
        keys.rsa_line(1024),
        f'from="10.0.0.1" {keys.ed25519_line()}',
        f"cert-authority {keys.ed25519_line()}",
        "nonsense",
    ]
    fallback(scene, tmp_path, "no-key", *refused, ed25519)
    assert scene.ask().keys == (parse(ed25519.encode()),)


def test_key_on_disk_with_another_fingerprint_is_refused(scene: Scene, ed25519: str, tmp_path: Path) -> None:
    fallback(scene, tmp_path, "no-key", keys.ed25519_line())
    decision = scene.ask(fingerprint=fingerprint(ed25519))
    assert (decision.reason, decision.keys) == (Reason.NO_ACTIVE_KEYS, ())
    assert "has no such key without options" in decision.detail


@pytest.mark.parametrize("fault", ["missing", "writable", "folder", "fifo"])
def test_unusable_keys_file_is_reported_and_not_used(scene: Scene, ed25519: str, tmp_path: Path, fault: str) -> None:
    fallback(scene, tmp_path, "no-key", ed25519)
    path = tmp_path / USER
    if fault == "writable":
        path.chmod(0o666)
    else:
        path.unlink()
        if fault == "folder":
            path.mkdir()
        elif fault == "fifo":
            os.mkfifo(path)
    decision = scene.ask()
    assert (decision.reason, decision.keys) == (Reason.NO_ACTIVE_KEYS, ())
    assert str(path) in decision.detail


@pytest.mark.parametrize("name", ["../" + USER, "a/b", ".", "..", ".hidden"])
def test_user_name_cannot_lead_out_of_the_folder_of_keys_files(
    scene: Scene, ed25519: str, tmp_path: Path, name: str
) -> None:
    fallback(scene, tmp_path, "no-key", ed25519)
    (tmp_path / ".hidden").write_text(ed25519)
    scene.settings["fallback"]["keys_file"] = str(tmp_path / "sub" / "%u")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".hidden").write_text(ed25519)
    assert scene.ask(name).keys == ()


def test_user_whose_name_cannot_be_pushed_for_has_keys_on_disk(scene: Scene, ed25519: str, tmp_path: Path) -> None:
    name = "1a-name-that-is-longer-than-thirty-two-characters"
    fallback(scene, tmp_path, "no-key", ed25519)
    (tmp_path / name).write_text(ed25519)
    assert scene.ask(name).keys == (PublicKey("ssh-ed25519", parse(ed25519.encode()).blob),)


def test_fallback_keeps_the_verdicts_on_the_pushed_blocks(scene: Scene, ed25519: str, tmp_path: Path) -> None:
    fallback(scene, tmp_path, "no-key", ed25519)
    scene.settings["keys"] = {"types": frozenset({"ssh-ed25519"})}
    scene.instance.push(USER, ed25519, "arn")
    scene.instance.faults.set("past-timestamp")
    decision = scene.ask(fingerprint=fingerprint(ed25519))
    assert decision.reason is Reason.FALLBACK_FILE
    assert [verdict.reason for verdict in decision.verdicts] == [Reason.EXPIRED]
