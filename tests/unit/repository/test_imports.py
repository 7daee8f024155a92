# SPDX-License-Identifier: Apache-2.0
"""What the tests import of each other."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Iterator

from tools.documents import ROOT


def imported_modules(path: Path) -> Iterator[str]:
    """The last part of each module's name, and each name that is imported from a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
        for name in names:
            yield name.rpartition(".")[2]


def test_nothing_imports_a_test_module_or_a_conftest() -> None:
    """What test modules share lies in a helper module: each can be split or renamed by itself."""
    test_modules = {"conftest", *(path.stem for path in (Path(ROOT) / "tests").glob("**/test_*.py"))}
    assert len(test_modules) > 60
    found = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (Path(ROOT) / "tests").glob("**/*.py")
        for name in imported_modules(path)
        if name in test_modules
    }
    assert found == set()
