# SPDX-License-Identifier: Apache-2.0
"""What `eic-sshd check-config` prints of a file that another user may have written."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from eic_sshd.cli import check_config

ESCAPE = "\x1b[2J\x1b]0;title\x07"


def run(file: Path) -> int:
    parser = argparse.ArgumentParser()
    check_config.configure(parser)
    return check_config.run(parser.parse_args(["--config", str(file)]))


@pytest.mark.parametrize(
    "text",
    [
        f"[{ESCAPE}]\n",
        f"[keys]\n{ESCAPE} = 1\n",
        f"[keys]\nwindow = {ESCAPE}\n",
        f"[keys] {ESCAPE}\n",
        f'[policy "{ESCAPE}"]\ncallers =\n',
        f"[keys]\nkey{ESCAPE} = 1\nkey{ESCAPE} = 1\n",
        f"[keys]\n{ESCAPE}\n",
        f"[fallback]\nkeys_file = /x/{ESCAPE}/%u\nwhen = no-key\n",
        f"[log]\ndestination = /no{ESCAPE}/x\n",
    ],
)
def test_characters_that_control_a_terminal_are_escaped(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "eic-sshd.conf"
    file.write_text(text)
    run(file)
    printed = "".join(capsys.readouterr())
    assert [char for char in printed if not char.isprintable() and char != "\n"] == []


def test_a_long_setting_is_printed_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = " ".join(f"user{number}" for number in range(3000))
    file = tmp_path / "eic-sshd.conf"
    file.write_text(f"[users]\ndeny = {names}\n")
    assert run(file) == 0
    assert f"deny = {names}\n" in capsys.readouterr().out
