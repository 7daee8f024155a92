# SPDX-License-Identifier: Apache-2.0
"""Users of a directory that sshd can ask and eic-sshd cannot: sshd has looked them up before it asks eic-sshd."""

from __future__ import annotations

import concurrent.futures
import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest

from testbed import private_host, processes
from testbed.sshd import Sshd

from .installed_client import Client
from .logins import CALLER, USER, public, reasons

pytestmark = [
    pytest.mark.skipif(not private_host.is_inside(), reason="a real sshd needs root: run `make test` as root"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc: run `make setup` as root"),
]

DIRECTORY_USER = "directory-user"
COMMAND_UID = private_host.ACCOUNTS[private_host.COMMAND_USER]


def run(*command: str) -> None:
    subprocess.run(command, check=True)


@pytest.fixture
def directory(folder: Path) -> Iterator[None]:
    """The module is where glibc looks for it, on this private host only."""
    module, cache, switch = folder / "libnss_directory.so.2", folder / "ld.so.cache", folder / "nsswitch.conf"
    source = str(Path(__file__).parent / "nss_directory.c")
    run(
        "gcc",
        "-shared",
        "-fPIC",
        f"-DCOMMAND_UID={COMMAND_UID}",
        "-Wl,-soname," + module.name,
        "-o",
        str(module),
        source,
    )
    (folder / "ld.so.conf").write_text(f"{folder}\ninclude /etc/ld.so.conf.d/*.conf\n")
    run("/sbin/ldconfig", "-X", "-f", str(folder / "ld.so.conf"), "-C", str(cache))
    lines = Path("/etc/nsswitch.conf").read_text().splitlines()
    others = [line for line in lines if not line.startswith("passwd:")]
    switch.write_text("\n".join(["passwd: files directory", *others, ""]))
    mounted: List[str] = []
    try:
        for ours, theirs in ((cache, "/etc/ld.so.cache"), (switch, "/etc/nsswitch.conf")):
            run("mount", "--bind", str(ours), theirs)
            mounted.append(theirs)
        yield
    finally:
        for path in mounted:
            run("umount", path)


@pytest.fixture(params=[True, False], ids=["by the daemon", "in-process"])
def sshd(directory: None, login_client: Client, folder: Path, request: pytest.FixtureRequest) -> Iterator[Sshd]:
    daemon = None
    if request.param:
        runtime = folder / "runtime"
        runtime.mkdir()
        shutil.chown(runtime, COMMAND_UID, COMMAND_UID)
        login_client.socket = str(runtime / "authorize.sock")
        installed = str(Path(login_client.command).parents[3])
        daemon = processes.daemon(installed, login_client.socket, str(login_client.config), COMMAND_UID)
    try:
        with Sshd(str(folder), " ".join(login_client.arguments())) as running:
            yield running
    finally:
        if daemon is not None:
            processes.stop(daemon)


def test_commands_user_cannot_look_up_a_directory_user(directory: None) -> None:
    """What the others rest on."""
    run("getent", "passwd", DIRECTORY_USER)
    asked = ["setpriv", f"--reuid={COMMAND_UID}", "--clear-groups", "getent", "passwd", DIRECTORY_USER]
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(asked, timeout=1)


def test_key_pushed_for_a_directory_user_logs_in(sshd: Sshd, login_client: Client, key: Callable[..., str]) -> None:
    private = key()
    login_client.sandbox.instance.push(DIRECTORY_USER, public(private), CALLER)
    login = sshd.login(DIRECTORY_USER, [private])
    assert (login.ok, login.output) == (True, DIRECTORY_USER), login.errors
    assert set(reasons(login_client)) == {"granted"}


def test_logins_as_a_directory_user_do_not_deny_other_users(
    sshd: Sshd, login_client: Client, key: Callable[..., str]
) -> None:
    private, stranger = key(), key()
    login_client.sandbox.instance.push(USER, public(private), CALLER)
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        strangers: List[concurrent.futures.Future[Any]] = [
            pool.submit(sshd.login, DIRECTORY_USER, [stranger]) for _ in range(12)
        ]
        logins = [sshd.login(USER, [private]) for _ in range(3)]
        assert [login.output for login in logins] == [USER] * 3
        assert not any(one.result().ok for one in strangers)
    assert set(reasons(login_client)) == {"granted", "no-active-keys"}
