# SPDX-License-Identifier: Apache-2.0
"""The command eic-sshd and the client with standard streams that are closed, full, or not for writing."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import List, Sequence, Tuple

import pytest

from eic_sshd import __version__
from tools.documents import ROOT

EIC_SSHD = [sys.executable, "-m", "eic_sshd"]
CLOSED = [
    " ".join(f"{stream}>&-" for stream in streams)
    for number in (1, 2, 3)
    for streams in itertools.combinations((0, 1, 2), number)
]


def run(command: Sequence[str], redirected: str) -> Tuple[int, str, str]:
    """Its exit status and what it said on standard output and error, with streams `redirected` as in a shell."""
    script = f'exec "$@" {redirected}'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def configuration(tmp_path: Path) -> str:
    path = tmp_path / "eic-sshd.conf"
    path.write_text(f"[trust]\nca_file = {tmp_path}/none.pem\n")
    return str(path)


@pytest.mark.parametrize("redirected", [*CLOSED, "2>/dev/full", "2</dev/null", ">&- 2>/dev/full"])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--version"], 0),
        (["--help"], 0),
        (["none-such"], 2),
        (["enable", "--none-such"], 2),
        (["check-config", "--config", "CONFIGURATION"], 1),
        (["serve", "--socket", "/nonexistent/socket", "--config", "CONFIGURATION"], 1),
    ],
)
def test_state_of_a_stream_does_not_change_the_exit_status(
    configuration: str, redirected: str, arguments: List[str], status: int
) -> None:
    command = [configuration if word == "CONFIGURATION" else word for word in arguments]
    ended, _, errors = run([*EIC_SSHD, *command], redirected)
    assert ended == status
    assert "Traceback" not in errors
    assert "Exception" not in errors


@pytest.mark.parametrize(
    ("redirected", "problem"), [(">/dev/full", "No space left on device"), ("1</dev/null", "Bad file descriptor")]
)
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["check-config", "--config", "CONFIGURATION"]])
def test_unprintable_output_is_a_named_error(
    configuration: str, redirected: str, problem: str, arguments: List[str]
) -> None:
    command = [configuration if word == "CONFIGURATION" else word for word in arguments]
    status, _, errors = run([*EIC_SSHD, *command], redirected)
    assert (status, errors.splitlines()[-1]) == (1, f"eic-sshd: standard output: {problem}")


def test_closed_pipe_causes_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*EIC_SSHD, "--help"], stdout=write, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "eic-sshd: standard output: Broken pipe\n")


def test_path_in_any_encoding_can_be_printed(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xc3\xbc"
    done = subprocess.run(
        [*EIC_SSHD, "check-config", "--config", path],
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].endswith(b": it does not exist.")
    assert b"Traceback" not in done.stderr


def test_open_streams_are_not_changed() -> None:
    assert run([*EIC_SSHD, "--version"], "") == (0, f"eic-sshd {__version__}\n", "")


ASK = """
import os, sys
sys.path.insert(0, {root!r})
from eic_sshd.host import process
process.hold_standard_streams()
before = [os.readlink(f"/proc/self/fd/{{stream}}") for stream in (0, 1, 2)]
opened = os.open({root!r}, os.O_RDONLY)
with open({found!r}, "w") as file:
    print(opened > 2, *before, file=file)
"""


@pytest.mark.parametrize("closed", CLOSED)
def test_client_opens_no_file_in_place_of_a_closed_stream(tmp_path: Path, closed: str) -> None:
    found = tmp_path / "found"
    run([sys.executable, "-c", ASK.format(root=ROOT, found=str(found))], closed)
    in_place, *streams = found.read_text().split()
    assert in_place == "True"
    assert all(streams[int(one[0])] == "/dev/null" for one in closed.split())
    assert len(set(streams) - {"/dev/null"}) == len({0, 1, 2} - {int(one[0]) for one in closed.split()} - {0})
