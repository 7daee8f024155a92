# SPDX-License-Identifier: Apache-2.0
"""The vectors of tests/vectors/iam, which tests/vectors/README.md describes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple

from eic_sandbox.iam.policy import Policy, parse
from eic_sandbox.iam.request import Request
from tools.documents import ROOT

FOLDER = Path(ROOT) / "tests/vectors/iam"


class Case(NamedTuple):
    """A case of a file; its name in a report is its place in the file with its `why` or `problem`."""

    name: str
    members: Mapping[str, object]

    def __str__(self) -> str:
        return self.name


def cases(file: str) -> List[Case]:
    listed = json.loads((FOLDER / file).read_text())["cases"]
    if isinstance(listed, dict):
        return [Case(name, members) for name, members in listed.items()]
    return [
        Case(f"{number}: {members.get('why', members.get('problem'))}", members)
        for number, members in enumerate(listed)
    ]


def listed(case: Case, member: str) -> List[object]:
    found = case.members[member]
    assert isinstance(found, list)
    return found


def request(members: object) -> Request:
    assert isinstance(members, dict)
    return Request(members["action"], members["resource"], members["context"])


def with_version(case: Case, statement: Dict[str, object]) -> Policy:
    document: Dict[str, object] = {"Version": case.members.get("version", "2012-10-17"), "Statement": statement}
    if document["Version"] is None:
        del document["Version"]
    return parse(document, "vector")
