# SPDX-License-Identifier: Apache-2.0
"""Whether /usr/bin/python3 is the distribution's own."""

from __future__ import annotations

from pathlib import Path
from typing import List

import pytest

from eic_sshd.diagnose.libraries import python_problems


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "usr/bin").mkdir(parents=True)
    for name in ("python3.11", "python3.12"):
        (tmp_path / "usr/bin" / name).touch()
    return tmp_path


def debian(root: Path) -> None:
    (root / "usr/share/python3").mkdir(parents=True)
    (root / "usr/share/python3/debian_defaults").write_text("[DEFAULT]\ndefault-version = python3.11\n")


def red_hat(root: Path) -> None:
    (root / "usr/libexec").mkdir(parents=True)
    (root / "usr/libexec/platform-python").symlink_to("../bin/python3.11")


def commands(root: Path) -> List[str]:
    return [f"{one.code}: {one.command}" for one in python_problems(str(root))]


def test_the_own_python_of_the_distribution_is_no_finding(root: Path) -> None:
    (root / "usr/bin/python3").symlink_to("python3.11")
    assert commands(root) == []
    debian(root)
    assert commands(root) == []


@pytest.mark.parametrize("distribution", [debian, red_hat])
def test_another_version_is_a_finding_with_the_link_to_restore(root: Path, distribution: object) -> None:
    assert callable(distribution)
    distribution(root)
    (root / "usr/bin/python3").symlink_to("python3.12")
    assert commands(root) == ["python-replaced: ln -sfn python3.11 /usr/bin/python3"]


def test_a_python_that_is_gone_is_a_finding_with_the_link_to_restore(root: Path) -> None:
    debian(root)
    assert commands(root) == ["python-missing: ln -sfn python3.11 /usr/bin/python3"]


def test_a_python_that_is_gone_from_an_unknown_distribution_is_installed_again(root: Path) -> None:
    assert commands(root) == ["python-missing: dnf reinstall python3"]
