# SPDX-License-Identifier: Apache-2.0
"""World files for the tests, and changes of them."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import List, NamedTuple

from eic_sandbox.cloud.cloud import Cloud
from eic_sandbox.pki.authority import Pki
from eic_sandbox.world.document import parse
from eic_sandbox.world.world import build

FOLDER = Path(__file__).parent
EVERY_KEY = (FOLDER / "every_key.yaml").read_text(encoding="utf-8")
NAME = "world.yaml"
NOW = 1_800_000_000.0

SMALL = """
policies:
  everything: {Statement: {Effect: Allow, Action: "*", Resource: "*"}}
accounts:
  "123456789012":
    users:
      alice:
        access_keys: {AKIAALICEEXAMPLE0000: secret}
        policies: everything
    regions:
      us-west-2:
"""


class Change(NamedTuple):
    """A case of malformed.json, which says what the members are."""

    old: str
    new: str
    message: str
    at: str = ""

    def __str__(self) -> str:
        return f"{self.old.strip()[:30]} -> {self.new.strip()[:40]}"

    def text(self) -> str:
        assert EVERY_KEY.count(self.old) == 1, self.old
        return EVERY_KEY.replace(self.old, self.new)

    def whole_message(self) -> str:
        lines = [line.strip() for line in self.text().splitlines()]
        line = lines.index(self.at) if self.at else EVERY_KEY[: EVERY_KEY.index(self.old)].count("\n")
        return f"{NAME}:{line + 1}: {self.message}"


def changes() -> List[Change]:
    """The cases of malformed.json."""
    return [Change(**case) for case in json.loads((FOLDER / "malformed.json").read_text(encoding="utf-8"))["cases"]]


def built(content: str, pki: Pki, folder: Path = FOLDER, now: float = NOW) -> Cloud:
    """The cloud of a world file in `folder`; all Regions share a PKI, since making one is slow."""
    document = parse(textwrap.dedent(content).encode("utf-8", "surrogatepass"), NAME)
    return build(document, str(folder), lambda: now, lambda name, domain: pki)
