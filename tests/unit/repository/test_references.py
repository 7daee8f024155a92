# SPDX-License-Identifier: Apache-2.0
"""What the documents name exists: tests, modules, functions, and files that they link to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Callable, Dict, FrozenSet, Set

import pytest

from tools import documents

ROOT = Path(documents.ROOT)
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("*.md")])
CURRENT = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]  # a history may have old names
FOLDERS = ("benchmarks", "eic_sandbox", "eic_sshd", "testbed", "tests", "tools")
MODULES = [f"/{path.relative_to(ROOT)}" for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]

each_document = pytest.mark.parametrize("document", CURRENT, ids=lambda path: path.name)


def defines(name: str) -> Callable[[Path], bool]:
    """Whether a module defines `name`: a function, a method, a class or a value."""
    pattern = re.compile(rf"^ *(async def|def|class) {name}\b|^ *{name}\b[^=\n]*= ", re.MULTILINE)
    return lambda path: pattern.search(path.read_text()) is not None


def is_module(name: str) -> bool:
    """Whether there is a module whose path ends with `name`."""
    return any(path.endswith(f"/{name}") for path in MODULES)


def owners() -> Dict[str, FrozenSet[Path]]:
    """The modules of eic_sshd by their names and by those of their classes."""
    found: Dict[str, FrozenSet[Path]] = {}
    for path in (ROOT / "eic_sshd").rglob("*.py"):
        classes = re.findall(r"^class (\w+)", path.read_text(), re.MULTILINE)
        for name in (path.stem, *classes):
            found[name] = found.get(name, frozenset()) | {path}
    return found


def test_documents_name_only_tests_and_files_of_tests_that_exist() -> None:
    known: Set[str] = set()
    for path in (ROOT / "tests").glob("**/*.py"):
        known |= {path.name[: -len(".py")], *re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    named = {
        (document.name, name)
        for document in CURRENT
        for name in re.findall(r"\btest_\w+\b(?!\*)", document.read_text())
        if name not in known
    }
    assert named == set()


@each_document
def test_a_test_that_a_document_names_is_in_the_file_that_it_names(document: Path) -> None:
    named = re.findall(r"(tests/[\w/]+\.py)::(test_\w+)", document.read_text())
    assert [
        f"{file}::{name}" for file, name in named if not ((ROOT / file).exists() and defines(name)(ROOT / file))
    ] == []


@each_document
def test_every_module_that_a_document_names_exists(document: Path) -> None:
    named = re.findall(r"`([\w/]+\.py)`", document.read_text())
    assert [module for module in named if not is_module(module)] == []


@each_document
def test_every_function_of_a_module_that_a_document_names_exists(document: Path) -> None:
    known = owners()
    named = re.findall(r"`(?:\w+/)?(\w+)\.(\w+)`", document.read_text())
    missing = [
        f"{owner}.{name}"
        for owner, name in named
        if name not in ("py", "md", "json") and owner in known and not any(map(defines(name), known[owner]))
    ]
    assert missing == []


@each_document
def test_every_file_that_a_document_links_to_exists(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_names_in_modules_are_found_whole() -> None:
    here = Path(__file__)
    assert defines("is_module")(here)
    assert defines("ROOT")(here)
    assert not defines("ROO")(here)
    assert is_module("decide/checks.py")
    assert not is_module("ecks.py")
