# SPDX-License-Identifier: Apache-2.0
"""What a caller can send without end costs the sandbox a bounded amount of memory."""

from __future__ import annotations

import pytest
import requests

from eic_sandbox.cloud.instance import Instance
from eic_sandbox.imds import app
from eic_sandbox.imds.metadata import InstanceMetadata
from eic_sandbox.pki.authority import Pki
from eic_sandbox.server import Sandbox

from .metadata import TOKEN, read, token


def test_imds_lists_its_last_requests_and_counts_them_all(
    session: requests.Session, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "_MAX_KEPT", 8)
    before = sandbox.imds.received
    for _ in range(20):
        read(session, sandbox, "instance-id", **{TOKEN: "x"})
    assert len(sandbox.imds.requests) <= 8
    assert sandbox.imds.received == before + 20


def test_imds_drops_its_oldest_tokens(
    session: requests.Session, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "_MAX_KEPT", 8)
    tokens = [token(session, sandbox).text for _ in range(20)]
    statuses = [read(session, sandbox, "instance-id", **{TOKEN: one}).status_code for one in (tokens[0], tokens[-1])]
    assert statuses == [401, 200]


def test_instance_keeps_nothing_for_users_without_keys_and_drops_expired_keys(pki: Pki, ed25519: str) -> None:
    now = [1_700_000_000.0]
    instance = Instance(InstanceMetadata(), pki, clock=lambda: now[0])
    for number in range(100):
        assert instance.read(f"managed-ssh-keys/active-keys/user{number}") is None
        instance.push(f"pushed{number}", ed25519, "arn:aws:iam::123456789012:user/b")
    now[0] += 61
    instance.push("root", ed25519, "arn:aws:iam::123456789012:user/b")
    assert list(instance._pushed) == ["root"]
