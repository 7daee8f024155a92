# SPDX-License-Identifier: Apache-2.0
"""The sandbox as three HTTP servers at one address: IMDS, the API, the control API."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple

import aiohttp
from aiohttp import web

from .cloud.instance import Instance
from .control import Control
from .imds.app import Imds
from .services.instance_connect import InstanceConnect

# Seconds for which a stop waits for open requests. aiohttp 3.9 moved the setting from the site to the runner.
_SHUTDOWN: Dict[str, Any] = {"shutdown_timeout": 0.1}
_SINCE_3_9 = tuple(map(int, aiohttp.__version__.split(".")[:2])) >= (3, 9)
_RUNNER_OPTIONS, _SITE_OPTIONS = (_SHUTDOWN, {}) if _SINCE_3_9 else ({}, _SHUTDOWN)
_THREAD_TIMEOUT = 10  # seconds to start or to stop on a thread


class CannotListen(ValueError):
    """The sandbox cannot listen at an address."""


class Ports(NamedTuple):
    """TCP ports; 0 is any free one."""

    imds: int = 0
    api: int = 0
    control: int = 0


_ANY_FREE_PORTS = Ports()


class Sandbox:
    """`endpoints` has the URLs of `imds`, `api` and `control` after `start`."""

    def __init__(
        self,
        instance: Instance,
        host: str = "127.0.0.1",
        ports: Ports = _ANY_FREE_PORTS,
        token_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.instance = instance
        self.imds = Imds(lambda path: instance.read(path), instance.faults, token_clock)
        self.api = InstanceConnect(instance)
        self.control = Control(instance, self.imds, lambda: self.endpoints)
        self.endpoints: Dict[str, str] = {}
        self._host = host
        self._ports = ports
        self._runners: List[web.AppRunner] = []

    async def start(self) -> None:
        """Start to listen. Raises CannotListen."""
        for name, part in (("imds", self.imds), ("api", self.api), ("control", self.control)):
            runner = web.AppRunner(part.application(), access_log=None, **_RUNNER_OPTIONS)
            await runner.setup()
            self._runners.append(runner)
            port: int = getattr(self._ports, name)
            try:
                await web.TCPSite(runner, self._host, port, **_SITE_OPTIONS).start()
            except OSError as error:
                problem = f"cannot listen on {self._host} port {port} ({error.strerror or error})"
                raise CannotListen(f"{name}: {problem}. Use another --host or --{name}-port.") from error
            bound = runner.addresses[0][1]
            host = f"[{self._host}]" if ":" in self._host else self._host
            self.endpoints[name] = f"http://{host}:{bound}" if bound != 80 else f"http://{host}"

    async def stop(self) -> None:
        """Close every listener and connection."""
        for runner in self._runners:
            await runner.cleanup()

    def describe(self, directory: str) -> None:
        """Write root.pem, eic-sshd.conf and sandbox.json to `directory`, for an instance under test."""
        os.makedirs(directory, mode=0o755, exist_ok=True)
        ca_file = os.path.join(os.path.abspath(directory), "root.pem")
        files = {
            "root.pem": self.instance.pki.root.pem.decode(),
            "eic-sshd.conf": self.control.config(ca_file),
            "sandbox.json": json.dumps(self.control.status(), indent=2) + "\n",
        }
        for name, text in files.items():
            with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(text)


@contextlib.contextmanager
def running(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, running on a thread of this process."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_run_loop, args=(loop,), daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(sandbox.start(), loop).result(timeout=_THREAD_TIMEOUT)
        yield sandbox
    finally:
        asyncio.run_coroutine_threadsafe(sandbox.stop(), loop).result(timeout=_THREAD_TIMEOUT)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=_THREAD_TIMEOUT)
        loop.close()


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def serve(sandbox: Sandbox, ready: Callable[[], None]) -> None:
    """Run in the foreground until SIGINT or SIGTERM; calls `ready` when every server listens."""
    asyncio.run(_serve(sandbox, ready))


async def _serve(sandbox: Sandbox, ready: Callable[[], None]) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        await sandbox.start()
        ready()
        await stopped.wait()
    finally:
        await sandbox.stop()
