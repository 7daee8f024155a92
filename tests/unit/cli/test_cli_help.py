# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import shlex
from typing import List

import pytest

from eic_sshd import cli

SUBCOMMANDS = [name.replace("_", "-") for name in cli._SUBCOMMANDS]
each_subcommand = pytest.mark.parametrize("name", SUBCOMMANDS)


def help_of(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main([name, "--help"]) == 0
    return capsys.readouterr().out


def example_lines(text: str) -> List[str]:
    return text.partition("\nexamples:\n")[2].splitlines()


@each_subcommand
def test_help_of_a_subcommand_ends_with_examples_each_after_a_sentence(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = example_lines(help_of(name, capsys))
    kinds = "".join("c" if re.match(f"    (sudo )?eic-sshd {name}", line) else "s" for line in lines)
    assert re.fullmatch("(sc+)+", kinds), lines
    assert [line for line, kind in zip(lines, kinds) if kind == "s" and not re.fullmatch("  [A-Z].*:", line)] == []


@each_subcommand
def test_a_subcommand_accepts_the_arguments_of_its_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [line for line in example_lines(help_of(name, capsys)) if line.startswith("    ")]
    for command in commands:
        arguments = shlex.split(re.split(" [|<>]", command)[0].replace("sudo ", ""))[1:]
        assert cli.build_parser(arguments).parse_args(arguments)


@each_subcommand
def test_help_of_a_subcommand_fits_into_80_columns(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert [line for line in help_of(name, capsys).splitlines() if len(line) > 80] == []


def test_general_help_names_every_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert [name for name in SUBCOMMANDS if not re.search(rf"^    {name}\b", text, re.MULTILINE)] == []
