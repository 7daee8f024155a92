# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from tools.documents import ROOT, generated


@pytest.mark.parametrize("path", sorted(generated()))
def test_documents_made_from_the_code_are_up_to_date(path: str) -> None:
    assert (Path(ROOT) / path).read_text() == generated()[path], f"run `make docs` ({path})"


def test_completions_are_made_where_shtab_is_installed() -> None:
    pytest.importorskip("shtab", reason="shtab is not installed")
    names = {path.name for path in (Path(ROOT) / "packaging/completions").iterdir()}
    assert {f"packaging/completions/{name}" for name in names} <= set(generated())
