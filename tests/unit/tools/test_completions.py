# SPDX-License-Identifier: Apache-2.0
"""The completions in packaging/completions/, with the shells that this machine has."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path
from typing import Dict, List

import pytest

from eic_sshd.cli import build_parser
from tools import completions
from tools.documents import ROOT

FOLDER = Path(ROOT) / "packaging/completions"
SUBCOMMANDS: Dict[str, argparse.ArgumentParser] = next(
    dict(action.choices) for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
)
each_subcommand = pytest.mark.parametrize("name", sorted(SUBCOMMANDS))

FISH = r"""
source $argv[1]
complete -C $argv[2] | string replace -r '\t.*' ''
"""
BASH = r"""
source "$1"
read -ra COMP_WORDS <<<"$2"
[[ $2 != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
[[ $(complete -p "${COMP_WORDS[0]}") =~ -F\ ([^ ]+) ]]
"${BASH_REMATCH[1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""


def need(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


def suggestions(shell: str, line: str, folder: Path = FOLDER) -> List[str]:
    """What `shell` suggests after `line`."""
    need(shell)
    command = line.split(" ")[0]
    script = str(FOLDER / (f"{command}.fish" if shell == "fish" else command))
    options = ["--no-config", "-c", FISH] if shell == "fish" else ["--norc", "-c", BASH, "bash"]
    done = subprocess.run([shell, *options, script, line], capture_output=True, text=True, timeout=20, cwd=folder)
    assert done.stderr == ""
    return sorted(word for word in done.stdout.splitlines() if word)


@pytest.mark.parametrize("command", ["eic-sandbox", "eic-sshd"])
@pytest.mark.parametrize(("shell", "file"), [("bash", "{}"), ("zsh", "_{}"), ("fish", "{}.fish")])
def test_shell_reads_the_completion(shell: str, file: str, command: str) -> None:
    need(shell)
    done = subprocess.run([shell, "-n", str(FOLDER / file.format(command))], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_shell_suggests_the_subcommands(shell: str) -> None:
    assert suggestions(shell, "eic-sshd ") == sorted(SUBCOMMANDS)
    assert suggestions(shell, "eic-sshd en") == ["enable"]


@pytest.mark.parametrize("shell", ["bash", "fish"])
@each_subcommand
def test_shell_suggests_the_options_of_a_subcommand(shell: str, name: str) -> None:
    options = {option for action in SUBCOMMANDS[name]._actions for option in action.option_strings}
    assert suggestions(shell, f"eic-sshd {name} --") == sorted(option for option in options if option[:2] == "--")


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_shell_suggests_the_values_of_an_option(shell: str) -> None:
    assert suggestions(shell, "eic-sshd check-config --fail-on ") == ["problem", "warning"]


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_shell_suggests_what_the_sandbox_can_rotate(shell: str) -> None:
    assert suggestions(shell, "eic-sandbox rotate s") == ["signer", "staples"]


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_shell_suggests_files_where_an_option_takes_one(shell: str, tmp_path: Path) -> None:
    (tmp_path / "site.conf").touch()
    assert suggestions(shell, "eic-sshd serve --config s", tmp_path) == ["site.conf"]


@each_subcommand
def test_zsh_has_the_options_of_a_subcommand(name: str) -> None:
    text = (FOLDER / "_eic-sshd").read_text()
    options = text.partition(f"_shtab_eic_sshd_{name.replace('-', '_')}_options=(")[2].partition("\n)")[0]
    wanted = {action.option_strings[-1] for action in SUBCOMMANDS[name]._actions if action.option_strings}
    assert [option for option in wanted if option not in options] == []


def test_users_are_completed_from_the_accounts() -> None:
    pytest.importorskip("shtab", reason="shtab is not installed")
    parser = argparse.ArgumentParser(prog="eic-try")
    parser.add_argument("user", metavar="USER")
    made = completions.completions(parser)
    assert "compgen -u" in made["eic-try"]
    assert "_users" in made["_eic-try"]
    assert "__fish_complete_users" in made["eic-try.fish"]
