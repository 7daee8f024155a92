# SPDX-License-Identifier: Apache-2.0
"""Makes the completions for bash, zsh and fish from the parser, with shtab (https://github.com/tqdm/shtab)."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
from types import ModuleType
from typing import Dict, Iterator

# A script by its shell. The names are those that the shells look for.
_FILES = {"bash": "{command}", "zsh": "_{command}", "fish": "{command}.fish"}
_HEAD = """\
# SPDX-License-Identifier: MPL-2.0
# Made by shtab from the parser of {command}: `make docs`. The functions in it are shtab's, 2020-2026 (c) Casper da
# Costa-Luis, https://github.com/tqdm/shtab.
"""
_USERS = {"bash": "_eic_complete_users", "zsh": "_users", "fish": "(__fish_complete_users)"}
_PREAMBLE = {"bash": '_eic_complete_users() {\n  compgen -u -- "$1"\n}\n'}


def is_possible() -> bool:
    """Whether shtab is installed. The system's Python need not have it, so what it makes is in the repository."""
    return importlib.util.find_spec("shtab") is not None


def completions(parser: argparse.ArgumentParser) -> Dict[str, str]:
    """The completion of each shell for the command of `parser`, by the file's name."""
    shtab = importlib.import_module("shtab")
    for each in _parsers(parser):
        for action in each._actions:
            _complete_arguments(action, shtab)
    scripts = {}
    for shell, name in _FILES.items():
        script = str(shtab.complete(parser, shell=shell, preamble=_PREAMBLE.get(shell, "")))
        scripts[name.format(command=parser.prog)] = _with_our_head(script, parser.prog)
    return scripts


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def _complete_arguments(action: argparse.Action, shtab: ModuleType) -> None:
    """Files, folders and users are completed as what the argument's name in the help states."""
    name = str(action.metavar or action.dest).upper()
    found = shtab.FILE if re.search("FILE|PATH", name) else shtab.DIRECTORY if name.startswith("DIR") else None
    if name == "USER":
        found = _USERS
    if found and action.nargs != 0 and not action.choices:
        action.complete = found  # type: ignore[attr-defined] # shtab reads it


def _with_our_head(script: str, command: str) -> str:
    """Without shtab's advice on where to copy it, which the packages do."""
    head = _HEAD.format(command=command)
    lines = re.sub(r"^# AUTOMATICALLY GENERATED .*\n(# .*\n)+", lambda _: head, script, count=1, flags=re.MULTILINE)
    return re.sub(r"[ \t]+$", "", lines, flags=re.MULTILINE).rstrip("\n") + "\n"
