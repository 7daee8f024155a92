# SPDX-License-Identifier: Apache-2.0
"""Configurations that documents show can be parsed, and the command lines in them are ours."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path
from typing import Callable, Dict, Iterator, Tuple

import pytest

from eic_sshd.cli import build_parser
from tools.documents import ROOT

DOCUMENTS = sorted([Path(ROOT) / "README.md", *(Path(ROOT) / "docs").rglob("*.md")])
FLEET = Path(ROOT) / "docs/fleet/doctor.yaml"


def parse_ini(text: str) -> object:
    """Keys may be repeated, as in systemd's files."""
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    return parser


def parse_yaml(text: str) -> object:
    return pytest.importorskip("yaml", reason="PyYAML is not installed").safe_load(text)


PARSERS: Dict[str, Callable[[str], object]] = {"ini": parse_ini, "json": json.loads, "yaml": parse_yaml}


def blocks() -> Iterator[Tuple[str, str, str]]:
    """The document, the language and the text of each block that names a language with a parser."""
    for document in DOCUMENTS:
        for language, text in re.findall(r"^```(\w+)\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL):
            if language in PARSERS:
                yield document.name, language, text


def test_documents_have_configurations() -> None:
    assert {language for _, language, _ in blocks()} == set(PARSERS)


@pytest.mark.parametrize(("document", "language", "text"), list(blocks()))
def test_configuration_in_a_document_can_be_parsed(document: str, language: str, text: str) -> None:
    assert PARSERS[language](text), document


def test_fleet_document_runs_one_command_that_eic_sshd_accepts() -> None:
    document = parse_yaml(FLEET.read_text())
    assert isinstance(document, dict)
    (step,) = document["mainSteps"]
    (command,) = step["inputs"]["runCommand"]
    for severity in document["parameters"]["FailOn"]["allowedValues"]:
        arguments = shlex.split(command.replace("{{ FailOn }}", severity))
        assert arguments[:2] == ["eic-sshd", "doctor"]
        assert build_parser(arguments[1:]).parse_args(arguments[1:])
