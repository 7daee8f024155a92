# SPDX-License-Identifier: Apache-2.0
"""Configuration files, and what the loader reports about them."""

from __future__ import annotations

from pathlib import Path
from typing import List

import pytest

from eic_sshd.config import loader
from eic_sshd.config.loader import ConfigError


def write(folder: Path, text: str, name: str = "eic-sshd.conf") -> str:
    """Make the file; returns its path."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def invalid(path: str) -> ConfigError:
    """What the loader raises for the configuration of `path`, which must be invalid."""
    with pytest.raises(ConfigError) as caught:
        loader.load(path)
    return caught.value


def problems(path: str) -> List[str]:
    return invalid(path).problems
