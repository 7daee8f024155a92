# SPDX-License-Identifier: Apache-2.0
"""The installed tree, a running sandbox and the client, as sshd would call it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Callable, Iterator, List

import pytest

from eic_sandbox.server import Sandbox
from testbed import private_host
from testbed.ssh import keygen
from tools.documents import ROOT

from .daemon import Daemon
from .installed_client import Client, clean_environment
from .sites import machine

__all__ = ["machine"]


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make install DESTDIR=D` lays out, where sshd would run it from: root's, if this is root."""
    base = Path(private_host.HOME) if private_host.is_inside() else tmp_path_factory.mktemp("installed")
    destination = base / "tree"
    subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={destination}"], check=True, env=clean_environment())
    return destination


@pytest.fixture
def client(tree: Path, tmp_path: Path, sandbox: Sandbox) -> Client:
    return Client(tree, tmp_path, sandbox)


@pytest.fixture
def daemon(client: Client) -> Iterator[Daemon]:
    running = Daemon(client)
    yield running
    running.stop()


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The folder of sshd's files. Only root can write to it."""
    path = Path(private_host.HOME) / f"sshd-{abs(hash(request.node.nodeid))}"
    path.mkdir(mode=0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def login_client(tree: Path, folder: Path, sandbox: Sandbox) -> Client:
    """The client with its log in a folder that the command's user may write to."""
    client = Client(tree, folder, sandbox)
    logs = folder / "log"
    logs.mkdir()
    uid = private_host.ACCOUNTS[private_host.COMMAND_USER]
    os.chown(logs, uid, uid)
    client.log = logs / "decisions.jsonl"
    client.configure()
    return client


@pytest.fixture
def key(folder: Path) -> Callable[..., str]:
    """Makes a key pair; gives the private key's path."""
    made: List[str] = []

    def make(*options: str) -> str:
        path = str(folder / f"key{len(made)}")
        keygen(path, *options)
        made.append(path)
        return path

    return make
