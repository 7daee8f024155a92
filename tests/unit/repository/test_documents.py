# SPDX-License-Identifier: Apache-2.0
"""What the documents name exists: tests, modules, what is in a module, and files that they link to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Callable, Dict, FrozenSet, List

import pytest

from tools import documents

ROOT = Path(documents.ROOT)
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("*.md")])
# Old names are right in a history.
CURRENT = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
FOLDERS = ("benchmarks", "eic_sandbox", "eic_sshd", "testbed", "tests", "tools")
MODULES = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
NAMES = {path: f"/{path.relative_to(ROOT)}" for path in MODULES}


def defined(name: str) -> Callable[[Path], bool]:
    """Whether a module defines `name`: a function, a method, a class or a value."""
    pattern = re.compile(rf"^ *(async def|def|class) {name}\b|^ *{name}\b[^=\n]*= ", re.MULTILINE)
    return lambda path: pattern.search(path.read_text()) is not None


def named_tests(text: str) -> List[List[str]]:
    return [name.split("::") for name in re.findall(r"`(tests/[^`\s]+::[^`\s]+)`", text)]


def is_there(module: str) -> bool:
    return any(name.endswith(f"/{module}") for name in NAMES.values())


def members() -> Dict[str, FrozenSet[Path]]:
    """The modules of eic_sshd by their names, and by those of their classes."""
    found: Dict[str, FrozenSet[Path]] = {}
    for path in (ROOT / "eic_sshd").rglob("*.py"):
        classes = re.findall(r"^class (\w+)", path.read_text(), re.MULTILINE)
        for name in (path.stem, *classes):
            found[name] = found.get(name, frozenset()) | {path}
    return found


@pytest.mark.parametrize("document", CURRENT, ids=lambda path: path.name)
def test_every_test_that_a_document_names_exists(document: Path) -> None:
    missing = [
        f"{path}::{name}"
        for path, name in named_tests(document.read_text())
        if not ((ROOT / path).is_file() and defined(name)(ROOT / path))
    ]
    assert not missing


@pytest.mark.parametrize("document", CURRENT, ids=lambda path: path.name)
def test_every_module_that_a_document_names_exists(document: Path) -> None:
    named = re.findall(r"`([\w/]+\.py)`", document.read_text())
    assert [module for module in named if not is_there(module)] == []


@pytest.mark.parametrize("document", CURRENT, ids=lambda path: path.name)
def test_every_function_of_a_module_that_a_document_names_exists(document: Path) -> None:
    known = members()
    named = re.findall(r"`(?:\w+/)?(\w+)\.(\w+)`", document.read_text())
    missing = [
        f"{owner}.{name}"
        for owner, name in named
        if name not in ("py", "md") and owner in known and not any(map(defined(name), known[owner]))
    ]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_links_to_exists(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_what_is_named_is_found() -> None:
    assert named_tests("by `tests/unit/a.py::test_b`, and `tests/unit/`") == [["tests/unit/a.py", "test_b"]]
    here = Path(__file__)
    assert defined("is_there")(here)
    assert defined("ROOT")(here)
    assert not defined("ROO")(here)
    assert is_there("decide/checks.py")
    assert not is_there("ecks.py")
