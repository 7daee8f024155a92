# SPDX-License-Identifier: Apache-2.0
"""The control API of a running sandbox."""

from __future__ import annotations

import pytest
import requests

from eic_sandbox.server import Sandbox

from .metadata import TOKEN, read, token


def test_the_control_api_sets_limits_and_clears_faults(session: requests.Session, sandbox: Sandbox) -> None:
    control = sandbox.endpoints["control"]
    answer = session.put(f"{control}/faults/error-500", params={"path": "instance-id", "times": "1"}, timeout=5)
    assert answer.json()["faults"] == [{"name": "error-500", "path": "instance-id", "times": 1}]
    assert read(session, sandbox, "placement/region").status_code == 200
    assert read(session, sandbox, "instance-id").status_code == 500
    assert read(session, sandbox, "instance-id").status_code == 200
    session.put(f"{control}/faults/hang", timeout=5)
    assert session.delete(f"{control}/faults", timeout=5).json()["faults"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "faults/nonsense", ""),
        ("PUT", "faults/hang?times=0", ""),
        ("PUT", "faults/hang?times=x", ""),
        ("DELETE", "faults/nonsense", ""),
        ("POST", "rotate/nonsense", ""),
        ("POST", "keys", "nonsense"),
        ("POST", "keys", "[]"),
        ("POST", "keys", '{"user": 1, "key": "x"}'),
    ],
)
def test_the_control_api_answers_400_and_an_error_to_a_request_that_is_wrong(
    session: requests.Session, sandbox: Sandbox, method: str, path: str, body: str
) -> None:
    answer = session.request(method, f"{sandbox.endpoints['control']}/{path}", data=body, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("what", ["signer", "staples", "tokens"])
def test_the_control_api_rotates_signer_staples_and_tokens(
    session: requests.Session, sandbox: Sandbox, what: str
) -> None:
    cert, ocsp = "managed-ssh-keys/signer-cert", "managed-ssh-keys/signer-ocsp"
    good = token(session, sandbox).text
    chain, names = (read(session, sandbox, path).text for path in (cert, ocsp))
    session.post(f"{sandbox.endpoints['control']}/rotate/{what}", timeout=5)
    assert (read(session, sandbox, cert).text != chain) == (what == "signer")
    assert (read(session, sandbox, ocsp).text != names) == (what == "signer")
    assert (read(session, sandbox, cert, **{TOKEN: good}).status_code == 401) == (what == "tokens")
