# SPDX-License-Identifier: Apache-2.0
"""What the tests of logins through a real sshd share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

from .door import Door

USER, OTHER = "ec2-user", "deploy"
CALLER = "arn:aws:sts::123456789012:assumed-role/Admin/alice"


def public(path: str) -> str:
    return Path(f"{path}.pub").read_text()


def reasons(door: Door) -> List[str]:
    return [str(record["reason"]) for record in records(door)]


def records(door: Door) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in door._lines()]
