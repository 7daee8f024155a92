# SPDX-License-Identifier: Apache-2.0
"""Where the unit tests are."""

from __future__ import annotations

from pathlib import Path
from typing import List, Set

import pytest

from tools.documents import ROOT

PRODUCT = Path(ROOT) / "eic_sshd"
UNIT = Path(ROOT) / "tests/unit"
# Folders of tests that are about no package of the product.
OTHERS = {"fuzz", "mutation", "repository", "testbed", "tools", "vectors"}


def modules(folder: str) -> Set[str]:
    """The modules of a package, and its own name for __init__; a module outside of packages has a folder for itself."""
    return {folder, *(path.stem.lstrip("_") for path in (PRODUCT / folder).glob("*.py"))}


def stems_of_tests(folder: str) -> List[str]:
    return sorted(path.stem for path in (UNIT / folder).glob("test_*.py"))


@pytest.mark.parametrize("folder", sorted({path.parent.name for path in UNIT.glob("*/test_*.py")} - OTHERS))
def test_each_unit_test_module_is_named_after_a_module_of_its_package(folder: str) -> None:
    """The tests of decide/checks.py are in unit/decide/, in test_checks.py and test_checks_*.py."""
    names = [f"test_{name}" for name in modules(folder)]
    strays = [
        test
        for test in stems_of_tests(folder)
        if not any(test == name or test.startswith(f"{name}_") for name in names)
    ]
    assert strays == []


def test_no_unit_test_module_is_outside_of_a_folder() -> None:
    assert list(UNIT.glob("test_*.py")) == []
