# SPDX-License-Identifier: Apache-2.0
"""Makes the page eic-sshd-SUBCOMMAND(8) of each subcommand from its parser, and eic-sshd(8), in mdoc(7).

What a page explains beyond its parser's help is in tools/manual/SUBCOMMAND.mdoc, where there is such a file.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

from eic_sshd.cli import build_parser

from .conf_manual import _escaped, _sentences

_DATE = "November 29, 2026"
_TEXTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "manual")
_EXIT_STATUS = {0: "Success.", 1: "Failure, with a message on standard error.", 2: "Usage error."}


def manual_pages() -> Dict[str, str]:
    """The text of eic-sshd(8) and of each subcommand's page, by the file's name."""
    parsers = _subparsers(build_parser())
    pages = {f"eic-sshd-{name}.8": page(name, parser, _statuses(name)) for name, parser in parsers.items()}
    return {"eic-sshd.8": _overview(parsers), **pages}


def _subparsers(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    return next(action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))


def _overview(parsers: Mapping[str, argparse.ArgumentParser]) -> str:
    rows = [line for name, parser in parsers.items() for line in _row(name, parser)]
    pages = "\n".join(f".Xr eic-sshd-{name} 8 ," for name in parsers)
    with open(os.path.join(_TEXTS, "eic-sshd.mdoc"), encoding="utf-8") as file:
        return file.read().replace("@SUBCOMMANDS@", "\n".join(rows)).replace("@PAGES@", pages)


def _row(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f".It Xr eic-sshd-{name} 8"
    yield from _sentences(_as_sentence(parser.description or ""))


def _statuses(name: str) -> Mapping[int, str]:
    """EXIT_STATUS of the subcommand's module, which need not have it."""
    module = importlib.import_module(f"eic_sshd.cli.{name.replace('-', '_')}")
    return dict(vars(module).get("EXIT_STATUS", {}))


def page(name: str, parser: argparse.ArgumentParser, statuses: Mapping[int, str]) -> str:
    """The page of the subcommand `name`; `statuses` has the meaning of exit statuses that differ from the usual."""
    about = parser.description or ""
    actions = [action for action in parser._actions if action.help != argparse.SUPPRESS and action.dest != "help"]
    return "\n".join(
        [
            '.\\" SPDX-License-Identifier: Apache-2.0',
            f'.\\" Made from eic_sshd/cli/{name.replace("-", "_")}.py and tools/manual/ by `make docs`.',
            f".Dd {_DATE}",
            f".Dt EIC-SSHD-{name.upper()} 8",
            ".Os",
            ".Sh NAME",
            f".Nm eic-sshd-{name}",
            f".Nd {_escaped(re.split('; | [(][^)]*[)]$', about)[0])}",
            ".Sh SYNOPSIS",
            ".Nm eic-sshd",
            f".Cm {name}",
            *_synopsis(parser, actions),
            ".Sh DESCRIPTION",
            *_sentences(_as_sentence(about)),
            *_more(name),
            *_arguments(actions),
            *_exit_status({**_EXIT_STATUS, **statuses}),
            *_examples(getattr(parser, "examples", "")),
            ".Sh SEE ALSO",
            ".Xr eic-sshd.conf 5 ,",
            ".Xr eic-sshd 8",
            "",
        ]
    )


def _as_sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _more(name: str) -> List[str]:
    """What there is to say beyond the parser's help."""
    try:
        with open(os.path.join(_TEXTS, f"{name}.mdoc"), encoding="utf-8") as file:
            return [".Pp", *file.read().splitlines()]
    except FileNotFoundError:
        return []


def _synopsis(parser: argparse.ArgumentParser, actions: Sequence[argparse.Action]) -> Iterator[str]:
    """Options, with those that exclude each other on one line; then the other arguments."""
    groups = [list(group._group_actions) for group in parser._mutually_exclusive_groups]
    done: List[argparse.Action] = []
    for action in sorted(actions, key=lambda one: not one.option_strings):
        group = next((group for group in groups if action in group), [action])
        if action in done:
            continue
        done += group
        text = " | ".join(_invocation(one) for one in group)
        yield f".{text}" if action.required and len(group) == 1 else f".Op {text}"


def _invocation(action: argparse.Action) -> str:
    """The option by its last name, which is the long one, with its argument; or the argument alone."""
    flag = [_flag(action.option_strings[-1])] if action.option_strings else []
    return " ".join([*flag, *_argument(action)])


def _argument(action: argparse.Action) -> Iterator[str]:
    if action.nargs == 0:
        return
    # As in --help, whose texts refer to it.
    name = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    if action.choices and not isinstance(action.metavar, str):
        yield "Cm " + " | ".join(str(choice) for choice in action.choices)
    else:
        words = name if isinstance(name, tuple) else (name,)
        yield "Ar " + " ".join(_escaped(word) for word in words)
    if action.nargs in ("*", "+"):
        yield "..."


def _flag(option: str) -> str:
    """`--name` as mdoc(7) writes it: its macro adds the first hyphen."""
    return f"Fl Fl {option[2:]}" if option.startswith("--") else f"Fl {option[1:]}"


def _arguments(actions: Sequence[argparse.Action]) -> Iterator[str]:
    if not actions:
        return
    yield from (".Pp", "The arguments:", ".Bl -tag -width Ds")
    for action in sorted(actions, key=lambda one: not one.option_strings):
        names = " , ".join(_flag(option) for option in action.option_strings)
        yield " ".join([".It", *([names] if names else []), *_argument(action)])
        yield from _sentences(_as_sentence(_expanded(action)))
    yield ".El"


def _expanded(action: argparse.Action) -> str:
    """Its help, in which argparse allows `%(default)s` and its like."""
    return (action.help or "") % {**vars(action), "prog": "eic-sshd"}


def _exit_status(statuses: Mapping[int, str]) -> Iterator[str]:
    yield from (".Sh EXIT STATUS", ".Bl -tag -width Ds")
    for status, meaning in sorted(statuses.items()):
        yield f".It {status}"
        yield from _sentences(meaning)
    yield ".El"


def _examples(text: str) -> Iterator[str]:
    """Each sentence of EXAMPLE, and its command lines as they are."""
    yield ".Sh EXAMPLES"
    for number, (sentence, commands) in enumerate(_paragraphs(text)):
        if number:
            yield ".Pp"
        yield from _sentences(sentence)
        yield ".Bd -literal -offset indent"
        yield from (_escaped(command) for command in commands)
        yield ".Ed"


def _paragraphs(text: str) -> List[Tuple[str, List[str]]]:
    found: List[Tuple[str, List[str]]] = []
    for line in text.splitlines():
        if line.startswith(" ") and found:
            found[-1][1].append(line.strip())
        else:
            found.append((line, []))
    return found
