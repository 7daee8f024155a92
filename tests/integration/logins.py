# SPDX-License-Identifier: Apache-2.0
"""What the tests of logins through a real sshd share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

from .installed_client import Client

USER, OTHER = "ec2-user", "deploy"
CALLER = "arn:aws:sts::123456789012:assumed-role/Admin/alice"


def public(path: str) -> str:
    return Path(f"{path}.pub").read_text()


def reasons(client: Client) -> List[str]:
    return [str(record["reason"]) for record in records(client)]


def records(client: Client) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in client._lines()]
