# SPDX-License-Identifier: Apache-2.0
"""What the documents say of the tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Set

from tools.documents import ROOT

DOCUMENTS = sorted([*Path(ROOT).glob("*.md"), *Path(ROOT).glob("docs/**/*.md")])


def test_documents_name_only_tests_and_files_of_tests_that_exist() -> None:
    known: Set[str] = set()
    for path in (Path(ROOT) / "tests").glob("**/*.py"):
        known |= {path.name[: -len(".py")], *re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    named = {
        (document.name, name)
        for document in DOCUMENTS
        for name in re.findall(r"\btest_\w+\b(?!\*)", document.read_text())
        if name not in known
    }
    assert named == set()


def test_a_test_that_a_document_names_is_in_the_file_that_it_names() -> None:
    wrong = []
    for document in DOCUMENTS:
        for file, name in re.findall(r"(tests/[\w/]+\.py)::(test_\w+)", document.read_text()):
            path = Path(ROOT) / file
            if not path.exists() or f"def {name}(" not in path.read_text():
                wrong.append(f"{document.name}: {file}::{name}")
    assert wrong == []
