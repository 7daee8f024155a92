# SPDX-License-Identifier: Apache-2.0
"""The installed tree, a running sandbox and the front door, as sshd would call it."""

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

from .door import Door, clean_environment
from .service import Service
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
def door(tree: Path, tmp_path: Path, sandbox: Sandbox) -> Door:
    return Door(tree, tmp_path, sandbox)


@pytest.fixture
def service(door: Door) -> Iterator[Service]:
    running = Service(door)
    yield running
    running.stop()


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder that sshd takes its files from: root's, and nobody else's to write."""
    path = Path(private_host.HOME) / f"sshd-{abs(hash(request.node.nodeid))}"
    path.mkdir(mode=0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def login_door(tree: Path, folder: Path, sandbox: Sandbox) -> Door:
    """The front door, its log in a folder that the command's user may write to."""
    door = Door(tree, folder, sandbox)
    logs = folder / "log"
    logs.mkdir()
    uid = private_host.ACCOUNTS[private_host.COMMAND_USER]
    os.chown(logs, uid, uid)
    door.log = logs / "decisions.jsonl"
    door.configure()
    return door


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
