# SPDX-License-Identifier: Apache-2.0
"""The folder with IMDS's answers: written, read again, and read when its maker is hostile."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Callable, Dict

import pytest

from eic_sshd.host.errors import MachineError
from eic_sshd.host.new_folder import NewFolder
from eic_sshd.imds import saved
from eic_sshd.imds.capture import Answer
from eic_sshd.imds.saved import Save
from eic_sshd.imds.session import AnswerTooLong
from eic_sshd.model.reasons import NotGranted, Reason

KEYS = "managed-ssh-keys/active-keys/root"
SAVE = Save(
    as_of=1700000000.25,
    user="root",
    fingerprint="SHA256:" + "a" * 43,
    uid=0,
    groups={"staff": True, "wheel": False},
    hardware={"sys/devices/virtual/dmi/id/board_asset_tag": "i-0123456789abcdef0"},
    answers={
        KEYS: Answer(b"#Timestamp=1\n\xff\0"),
        "instance-id": Answer(b"i-0123456789abcdef0"),
        "placement/region": Answer(None),
        "managed-ssh-keys/signer-ocsp/0AB-_.c": Answer(b""),
    },
)


def written(path: Path, save: Save = SAVE) -> Path:
    folder = NewFolder.create(str(path))
    saved.write(folder, save)
    folder.close()
    return path


def changed(path: Path, **members: object) -> None:
    """Change members of the index; those that are None are removed."""
    index = json.loads((path / "saved.json").read_text())
    index.update(members)
    (path / "saved.json").write_text(json.dumps({name: value for name, value in index.items() if value is not None}))


def test_what_was_saved_is_loaded_again(tmp_path: Path) -> None:
    assert saved.load(str(written(tmp_path / "case"))) == SAVE


@pytest.mark.parametrize("save", [SAVE._replace(fingerprint=None, uid=None, groups={}, hardware={}, answers={})])
def test_what_is_not_known_is_loaded_as_not_known(tmp_path: Path, save: Save) -> None:
    assert saved.load(str(written(tmp_path / "case", save))) == save


@pytest.mark.parametrize("kind", [NotGranted, AnswerTooLong])
def test_refusal_is_loaded_as_the_kind_that_it_was(tmp_path: Path, kind: Callable[[Reason, str], NotGranted]) -> None:
    refusal = kind(Reason.IMDS_UNREACHABLE, "no answer")
    save = saved.load(str(written(tmp_path / "case", SAVE._replace(answers={KEYS: Answer(None, refusal)}))))
    loaded = save.answers[KEYS].refusal
    assert type(loaded) is type(refusal)
    assert str(loaded) == str(refusal)


def test_files_are_private_and_plain(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        path = written(tmp_path / "case")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o600}
    assert (path / "instance-id").read_bytes() == b"i-0123456789abcdef0"
    assert (path / "managed-ssh-keys,active-keys,root").read_bytes() == b"#Timestamp=1\n\xff\0"


def test_redacted_folder_says_that_it_cannot_be_decided_on(tmp_path: Path) -> None:
    folder = NewFolder.create(str(tmp_path / "case"))
    saved.write_redacted(folder)
    folder.close()
    with pytest.raises(MachineError, match="it is redacted: it holds verdicts, and no answers of IMDS"):
        saved.load(str(tmp_path / "case"))


def _link(path: Path) -> None:
    (path / "instance-id").unlink()
    (path / "instance-id").symlink_to("/etc/passwd")


def _fifo(path: Path) -> None:
    (path / "instance-id").unlink()
    os.mkfifo(path / "instance-id")


def _deep(path: Path) -> None:
    (path / "saved.json").write_text("[" * 100_000)


def _answers(*answers: Dict[str, object]) -> Callable[[Path], None]:
    return lambda path: changed(path, answers=list(answers))


HOSTILE: Dict[str, Callable[[Path], object]] = {
    "no index": lambda path: (path / "saved.json").unlink(),
    "not JSON": lambda path: (path / "saved.json").write_bytes(b"\xff"),
    "deep JSON": _deep,
    "long index": lambda path: (path / "saved.json").write_bytes(b" " * 300_000),
    "a list": lambda path: (path / "saved.json").write_text("[]"),
    "another format": lambda path: changed(path, format=2),
    "no time": lambda path: changed(path, as_of=None),
    "time as text": lambda path: changed(path, as_of="now"),
    "time as truth": lambda path: changed(path, as_of=True),
    "endless time": lambda path: changed(path, as_of=1e300),
    "time after the year 9999": lambda path: changed(path, as_of=253402300800),
    "negative time": lambda path: changed(path, as_of=-1),
    "not a number": lambda path: changed(path, as_of=float("nan")),
    "user as number": lambda path: changed(path, user=1),
    "fingerprint as list": lambda path: changed(path, fingerprint=[]),
    "uid as truth": lambda path: changed(path, uid=True),
    "hardware as list": lambda path: changed(path, hardware=[]),
    "hardware with a number": lambda path: changed(path, hardware={"a": 1}),
    "groups as list": lambda path: changed(path, groups=["staff"]),
    "group as number": lambda path: changed(path, groups={"staff": 1}),
    "answers as text": lambda path: changed(path, answers="x"),
    "an answer as text": lambda path: changed(path, answers=["x"]),
    "too many answers": lambda path: changed(path, answers=[{"path": KEYS, "gave": "nothing"}] * 65),
    "path upwards": _answers({"path": "../../etc/passwd", "gave": "body"}),
    "path to an upper folder": _answers({"path": "managed-ssh-keys/active-keys/..", "gave": "body"}),
    "absolute path": _answers({"path": "/etc/passwd", "gave": "body"}),
    "path of another kind": _answers({"path": "iam/security-credentials/role/x/y", "gave": "body"}),
    "missing body": _answers({"path": "services/domain", "gave": "body"}),
    "unknown reason": _answers({"path": KEYS, "gave": "nonsense"}),
    "reason that is no error": _answers({"path": KEYS, "gave": "granted", "detail": "", "too_long": False}),
    "refusal without a detail": _answers({"path": KEYS, "gave": "imds-error", "too_long": False}),
    "a link": _link,
    "a fifo": _fifo,
    "a long body": lambda path: (path / "instance-id").write_bytes(b"i" * 600_000),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_folder_that_was_not_saved_so_is_refused_without_a_traceback(tmp_path: Path, case: str) -> None:
    path = written(tmp_path / "case")
    HOSTILE[case](path)
    with pytest.raises(MachineError, match=re.escape(f"{path}: it is not a folder that `explain --save` made")):
        saved.load(str(path))


@pytest.mark.parametrize("name", ["nothing", "file", "nul\0"])
def test_folder_that_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="the folder cannot be read"):
        saved.load(str(tmp_path / name))
