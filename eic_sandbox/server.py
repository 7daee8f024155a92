# SPDX-License-Identifier: Apache-2.0
"""The whole sandbox on three ports of one address: IMDS, the API, the control."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from typing import Any, Callable, Dict, Iterator, List

import aiohttp
from aiohttp import web

from .cloud.instance import Instance
from .control import Control
from .imds.app import Imds
from .services.instance_connect import Api

# How long a stop waits for requests under way; aiohttp 3.9 moved the setting from the site to the runner.
_IMPATIENT: Dict[str, Any] = {"shutdown_timeout": 0.1}
_NEWER = tuple(map(int, aiohttp.__version__.split(".")[:2])) >= (3, 9)
_ON_RUNNER, _ON_SITE = (_IMPATIENT, {}) if _NEWER else ({}, _IMPATIENT)


class PortTaken(ValueError):
    """An address cannot be listened on; says which and why."""


class Sandbox:
    """`endpoints` has the URLs of `imds`, `api` and `control` once `start` is through."""

    def __init__(self, instance: Instance, host: str = "127.0.0.1", ports: Dict[str, int] = {}) -> None:  # noqa: B006
        self.instance = instance
        self.imds = Imds(instance)
        self.api = Api(instance)
        self.control = Control(instance, self.imds, lambda: self.endpoints)
        self.endpoints: Dict[str, str] = {}
        self._host = host
        self._ports = ports
        self._runners: List[web.AppRunner] = []

    async def start(self) -> None:
        """Raises PortTaken."""
        for name, part in (("imds", self.imds), ("api", self.api), ("control", self.control)):
            runner = web.AppRunner(part.application(), access_log=None, **_ON_RUNNER)
            await runner.setup()
            self._runners.append(runner)
            port = self._ports.get(name, 0)
            try:
                await web.TCPSite(runner, self._host, port, **_ON_SITE).start()
            except OSError as error:
                where, hint = f"{self._host} port {port}", f"choose another with --host or --{name}-port"
                raise PortTaken(f"{name} cannot listen on {where}: {error.strerror or error}; {hint}") from error
            bound = runner.addresses[0][1]
            host = f"[{self._host}]" if ":" in self._host else self._host
            self.endpoints[name] = f"http://{host}:{bound}" if bound != 80 else f"http://{host}"

    async def stop(self) -> None:
        for runner in self._runners:
            await runner.cleanup()

    def describe(self, directory: str) -> None:
        """Write root.pem, eic-sshd.conf and sandbox.json into `directory`, for an instance under test."""
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
    """The sandbox on a thread of its own, for tests and benchmarks in the same process."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_run_loop, args=(loop,), daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(sandbox.start(), loop).result(timeout=10)
        yield sandbox
    finally:
        asyncio.run_coroutine_threadsafe(sandbox.stop(), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def serve(sandbox: Sandbox, ready: Callable[[], None]) -> None:
    """Run in the foreground until interrupted or terminated; `ready` is called once everything listens."""
    asyncio.run(_serve(sandbox, ready))


async def _serve(sandbox: Sandbox, ready: Callable[[], None]) -> None:
    import signal

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        await sandbox.start()
        ready()
        await stopped.wait()
    finally:
        await sandbox.stop()
