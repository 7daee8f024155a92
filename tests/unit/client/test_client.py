# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
import os
import posix
import sys
from pathlib import Path
from typing import Dict, List, Optional, Set, Tuple

import pytest

from eic_sshd import client, invocation
from eic_sshd.client import SOCKET, parse
from tools.documents import ROOT

SOURCE = Path(client.__file__)
SHIM = Path(ROOT) / "packaging/authorized-keys"  # what sshd runs, which runs that

Parsed = Optional[Tuple[str, Optional[str], Optional[str], str]]

ARGUMENTS: List[Tuple[List[str], Parsed]] = [
    (["root"], ("root", None, None, SOCKET)),
    (["root", "SHA256:x"], ("root", "SHA256:x", None, SOCKET)),
    (["root", ""], ("root", None, None, SOCKET)),
    (["--socket", "none", "--config", "/c", "root"], ("root", None, "/c", "none")),
    (["--socket=/s", "--config=/c", "root", "f"], ("root", "f", "/c", "/s")),
    (["--", "--socket", "f"], ("--socket", "f", None, SOCKET)),
    (["-x"], ("-x", None, None, SOCKET)),
    (["root", "--socket"], ("root", "--socket", None, SOCKET)),
    ([], None),
    ([""], None),
    (["root", "f", "more"], None),
    (["--socket"], None),
    (["--socket", "none"], None),
    (["--config", "", "root"], None),
    (["--socket=", "root"], None),
    (["--other", "root"], None),
    (["--help"], None),
    (["--"], None),
]


@pytest.mark.parametrize(("arguments", "parsed"), ARGUMENTS)
def test_arguments_are_parsed_as_documented(arguments: List[str], parsed: Parsed) -> None:
    found = parse(arguments, 0.0, False)
    assert (found and (found.user, found.fingerprint, found.config_file, found.socket_path)) == parsed


def test_values_that_only_sshd_knows_are_passed_as_tokens() -> None:
    arguments = ["--token", "k=AAAA==", "--token=t=ssh-ed25519", "--token", "D=", "root", "f"]
    parsed = parse(arguments, 0.0, False)
    assert parsed is not None
    assert parsed.tokens == {"k": "AAAA==", "t": "ssh-ed25519", "D": ""}
    assert (parsed.user, parsed.fingerprint) == ("root", "f")


@pytest.mark.parametrize(
    ("environment", "language", "in_chain"),
    [
        ({}, None, False),
        ({b"LANG": b"C.UTF-8"}, "C.UTF-8", False),
        ({b"LANG": b"\xff"}, "\udcff", False),
        ({b"EIC_SSHD_CHAINED": b"1"}, None, True),
        ({b"EIC_SSHD_CHAINED": b""}, None, True),
    ],
)
def test_of_the_environment_only_language_and_mark_of_the_chain_count(
    monkeypatch: pytest.MonkeyPatch, environment: Dict[bytes, bytes], language: Optional[str], in_chain: bool
) -> None:
    monkeypatch.setattr(posix, "environ", environment)
    parsed = parse(["--config", "/c", "root"], 0.0, False)
    assert parsed is not None
    assert (parsed.language, parsed.in_chain, parsed.tokens) == (language, in_chain, {})


@pytest.mark.parametrize("is_retry", [False, True])
def test_invocation_has_when_it_began_and_whether_it_is_the_second_try(is_retry: bool) -> None:
    parsed = parse(["root"], 7.5, is_retry)
    assert parsed is not None
    assert (parsed.begun, parsed.is_retry, parsed.sshd_pid) == (7.5, is_retry, os.getppid())


def top_level_imports(source: str) -> Set[str]:
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_command_imports_only_what_is_built_in_and_the_invocation() -> None:
    builtin = {"posix", "sys", "time"}
    assert builtin <= set(sys.builtin_module_names)
    assert top_level_imports(SHIM.read_text()) == builtin
    assert top_level_imports(SOURCE.read_text()) == {*builtin, "invocation"}
    assert top_level_imports(Path(invocation.__file__).read_text()) == set()


def test_command_stays_small() -> None:
    assert len(SOURCE.read_text().splitlines()) <= 220
    assert len(SHIM.read_text().splitlines()) <= 35  # Python compiles it at each login


def test_command_ignores_environment_and_site_packages() -> None:
    assert SHIM.read_text().startswith("#!/usr/bin/python3 -IS\n")
