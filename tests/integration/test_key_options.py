# SPDX-License-Identifier: Apache-2.0
"""[keys] options before a pushed key, and what a real sshd makes of the options that the configuration accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterator, Tuple

import pytest

from testbed import private_host
from testbed.sshd import Sshd
from tests.authorized_keys_options import IGNORED, LOG_IN

from .installed_client import Client
from .logins import CALLER, USER, public, reasons

pytestmark = pytest.mark.skipif(
    not private_host.is_inside(), reason="a real sshd needs root: run `make test` as root for a private host"
)


@pytest.fixture
def on_disk(folder: Path) -> Iterator[Sshd]:
    """An sshd without a command."""
    with Sshd(str(folder), None) as running:
        yield running


def test_sshd_accepts_what_the_configuration_accepts_and_ignores_the_line_otherwise(
    on_disk: Sshd, key: Callable[..., str]
) -> None:
    private = key()
    cases = [*((text, True) for text in LOG_IN), *((text, False) for text, _ in IGNORED)]
    found = {}
    for text, _ in cases:
        on_disk.authorize(USER, f"{text} {public(private)}")
        found[text] = on_disk.login(USER, [private]).ok
    assert found == dict(cases)


@pytest.fixture
def options_client(login_client: Client) -> Client:
    login_client.configure('[keys]\noptions = restrict,command="echo forced",environment="A=\\"b\\""\n')
    return login_client


def test_options_apply_to_a_pushed_key(options_client: Client, folder: Path, key: Callable[..., str]) -> None:
    private = key()
    options_client.sandbox.instance.push(USER, public(private), CALLER)
    answer = options_client.ask(USER)
    key_type, blob, *_ = public(private).split()
    assert answer.printed == f'restrict,command="echo forced",environment="A=\\"b\\"" {key_type} {blob}\n'
    with Sshd(str(folder), " ".join(options_client.arguments())) as sshd:
        login = sshd.login(USER, [private])
    assert (login.ok, login.output) == (True, "forced"), login.errors


def test_options_do_not_apply_to_a_key_on_disk(options_client: Client, folder: Path, key: Callable[..., str]) -> None:
    private = key()
    keys_file = folder / USER
    keys_file.write_text(public(private))
    options_client.set("keys", options="restrict")
    with options_client.config.open("a") as config:
        config.write(f"[fallback]\nkeys_file = {folder}/%u\nwhen = no-key\n")
    answer = options_client.ask(USER)
    assert (answer.reason, answer.printed) == ("fallback-file", " ".join(public(private).split()[:2]) + "\n")


def test_from_refuses_a_client_elsewhere(options_client: Client, folder: Path, key: Callable[..., str]) -> None:
    private = key()
    options_client.sandbox.instance.push(USER, public(private), CALLER)
    results: Tuple[bool, ...] = ()
    for addresses in ("192.0.2.0/24", "127.0.0.0/8"):
        options_client.set("keys", options=f'from="{addresses}"')
        with Sshd(str(folder), " ".join(options_client.arguments())) as sshd:
            results += (sshd.login(USER, [private]).ok,)
    assert results == (False, True)
    assert set(reasons(options_client)) == {"granted"}
