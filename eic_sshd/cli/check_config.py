# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd check-config`: says whether the configuration reads, and what it comes to."""

from __future__ import annotations

import argparse
import sys

from ..config import DEFAULT_FILE, ConfigError, load
from ..settings import LEVELS

HELP = "say whether the configuration reads, and every setting in force"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help=f"the configuration file (default: {DEFAULT_FILE})")


def run(arguments: argparse.Namespace) -> int:
    try:
        config = load(arguments.config or DEFAULT_FILE, missing_ok=arguments.config is None)
    except ConfigError as error:
        for problem in error.problems:
            print(f"eic-sshd: {problem}", file=sys.stderr)
        print("eic-sshd: until this is mended no pushed key is handed out", file=sys.stderr)
        return 1
    for section, keys in config._asdict().items():
        print(f"[{section}]")
        for key, value in keys._asdict().items():
            print(f"{key} = {_text(key, value)}".rstrip())
    return 0


def _text(key: str, value: object) -> str:
    if key == "level":
        return next(word for word, level in LEVELS.items() if level == value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, frozenset):
        return " ".join(sorted(value))
    return "" if value is None else str(value)
