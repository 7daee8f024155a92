# SPDX-License-Identifier: Apache-2.0
"""Many logins at once, and logs that no process reads."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess

from testbed import keys
from testbed.keys import fingerprint

from .daemon import Daemon
from .installed_client import CALLER, USER, Client, bare


def test_unread_logs_do_not_stop_logins(client: Client) -> None:
    client.configure()
    client.config.write_text(client.config.read_text().replace(str(client.log), "/nonexistent/log"))
    reader, writer = os.pipe()
    daemon = Daemon(client, stderr=writer)
    try:
        lines = [keys.ed25519_line() for _ in range(3)]
        for line in lines:
            client.sandbox.instance.push(USER, line, CALLER)
        for _ in range(40):  # more than a pipe holds
            for line in lines:
                done = subprocess.run(
                    client.arguments(USER, fingerprint(line)), capture_output=True, text=True, timeout=9
                )
                assert done.stdout == bare(line)
        os.close(reader)
        reader = -1
        done = subprocess.run(client.arguments(USER, fingerprint(lines[0])), capture_output=True, text=True, timeout=9)
        assert done.stdout == bare(lines[0])
    finally:
        daemon.stop()
        for descriptor in (reader, writer):
            if descriptor >= 0:
                os.close(descriptor)


def test_hundred_simultaneous_logins_are_answered_correctly(client: Client) -> None:
    """How fast is a matter of `make bench`: here a busy machine has time."""
    client.set("imds", deadline=25, request_timeout=10)
    daemon = Daemon(client)
    try:
        require_a_hundred_logins(client)
    finally:
        daemon.stop()


def require_a_hundred_logins(client: Client) -> None:
    lines = [keys.ed25519_line() for _ in range(100)]
    for line in lines[::2]:
        client.sandbox.instance.push(USER, line, CALLER)

    def login(line: str) -> str:
        arguments = client.arguments(USER, fingerprint(line))
        return subprocess.run(arguments, capture_output=True, text=True, timeout=60).stdout

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(login, lines))
    assert answers == [bare(line) if at % 2 == 0 else "" for at, line in enumerate(lines)]
    recorded = client.log.read_text()
    assert recorded.count('"reason": "granted"') == 50
    assert recorded.count('"reason": "fingerprint-mismatch"') == 50
