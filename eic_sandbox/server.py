# SPDX-License-Identifier: Apache-2.0
"""The sandbox as servers: an IMDS for each instance, the APIs, tunnels over TLS, the control API."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import ssl
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional

import aiohttp
from aiohttp import web

from .cloud.cloud import Cloud
from .cloud.endpoint import dns_suffix
from .cloud.instance import Instance
from .cloud.partitions import partition
from .control.app import Control
from .imds.app import Imds, Read
from .pki.tls import TlsIdentity
from .services.gateway import Api
from .trail.trail import Trail
from .tunnel.endpoint import Tunnels

# Seconds for which a stop waits for open requests. aiohttp 3.9 moved the setting from the site to the runner.
_SHUTDOWN: Dict[str, Any] = {"shutdown_timeout": 0.1}
_SINCE_3_9 = tuple(map(int, aiohttp.__version__.split(".")[:2])) >= (3, 9)
_RUNNER_OPTIONS, _SITE_OPTIONS = (_SHUTDOWN, {}) if _SINCE_3_9 else ({}, _SHUTDOWN)
_THREAD_TIMEOUT = 10  # seconds to start or to stop on a thread
_REPORT_EVERY = 60.0  # seconds between two messages about too many connections
_APIS = ("ec2", "ec2-instance-connect", "sts", "cloudtrail")
TRAIL = "trail.json"


class CannotListen(ValueError):
    """The sandbox cannot listen at an address."""


class Ports(NamedTuple):
    """TCP ports; 0 is any free one."""

    imds: int = 0
    api: int = 0
    control: int = 0
    tls: int = 0


_ANY_FREE_PORTS = Ports()


class _OneLine(logging.Formatter):
    """A message without its traceback: what a client sends is no fault of the sandbox."""

    def format(self, record: logging.LogRecord) -> str:
        cause = record.exc_info[1] if record.exc_info else None
        detail = f" ({type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''})" if cause else ""
        return f"eic-sandbox: {record.getMessage()}{detail}"


def _logger() -> logging.Logger:
    logger = logging.getLogger("eic_sandbox.http")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(_OneLine())
        logger.addHandler(handler)
        logger.propagate = False
    return logger


class Sandbox:
    """Stands in for `cloud`. `endpoints` has the URLs of `imds`, `api`, `tls` and `control` after `start`.

    `instance` and `imds` are the first instance and its IMDS. `host` is where everything listens; `tls_host`, if given,
    is where tunnels do. `clock` gives the time of calls and tunnels, in seconds since the epoch.
    """

    def __init__(
        self,
        cloud: Cloud,
        host: str = "127.0.0.1",
        ports: Ports = _ANY_FREE_PORTS,
        token_clock: Callable[[], float] = time.monotonic,
        tls_host: Optional[str] = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.cloud = cloud
        self.trail = Trail()
        self.imdses = {
            instance.metadata.instance_id: Imds(_reader(instance), instance.faults, token_clock)
            for instance in cloud.instances()
        }
        self.api = Api(cloud, self.trail, clock)
        self.tunnels = Tunnels(cloud, self.api, self.trail, clock)
        self.tls = TlsIdentity(_host_names(cloud), [tls_host or host])
        self.endpoints: Dict[str, str] = {}
        self.imds_urls: Dict[str, str] = {}
        self.control = Control(cloud, self.imdses, self.trail, self.tls, lambda: (self.endpoints, self.imds_urls))
        self._host = host
        self._tls_host = tls_host or host
        self._ports = ports
        self._runners: List[web.AppRunner] = []

    @property
    def instance(self) -> Instance:
        """The first instance."""
        return next(self.cloud.instances())

    @property
    def imds(self) -> Imds:
        """The IMDS of the first instance."""
        return next(iter(self.imdses.values()))

    async def start(self) -> None:
        """Start to listen. Raises CannotListen."""
        for number, instance in enumerate(self.cloud.instances()):
            instance_id = instance.metadata.instance_id
            application = self.imdses[instance_id].application()
            address, port = instance.listen or (self._host, self._ports.imds if number == 0 else 0)
            self.imds_urls[instance_id] = await self._listen("imds", application, address, port)
        if self.imds_urls:
            self.endpoints["imds"] = next(iter(self.imds_urls.values()))
        api, tunnels, control = (part.application() for part in (self.api, self.tunnels, self.control))
        self.endpoints["api"] = await self._listen("api", api, self._host, self._ports.api)
        context = self.tls.context()
        self.endpoints["tls"] = await self._listen("tls", tunnels, self._tls_host, self._ports.tls, context)
        self.endpoints["control"] = await self._listen("control", control, self._host, self._ports.control)

    async def _listen(
        self, name: str, application: web.Application, host: str, port: int, tls: Optional[ssl.SSLContext] = None
    ) -> str:
        """Returns the URL. Raises CannotListen."""
        # A body counts as it was sent: it is what is signed, and its size is limited before it could expand.
        options = {**_RUNNER_OPTIONS, "auto_decompress": False}
        runner = web.AppRunner(application, access_log=None, logger=_logger(), **options)
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, host, port, ssl_context=tls, **_SITE_OPTIONS).start()
        except OSError as error:
            problem = f"cannot listen on {host} port {port} ({error.strerror or error})"
            raise CannotListen(f"{name}: {problem}. Use another --host or --{name}-port.") from error
        bound = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        scheme, usual = ("https", 443) if tls else ("http", 80)
        return f"{scheme}://{shown}:{bound}" if bound != usual else f"{scheme}://{shown}"

    async def stop(self) -> None:
        """End every tunnel, and close every listener and connection."""
        self.tunnels.stop()
        await asyncio.sleep(0)  # the tunnels begin to close
        for runner in self._runners:
            await runner.cleanup()
        self.trail.close()

    def describe(self, directory: str) -> None:
        """Write root.pem, ca.pem, eic-sshd.conf and sandbox.json to `directory`, and the trail from now on.

        Each instance has a configuration in instances/ID.conf; eic-sshd.conf is that of the first.
        """
        os.makedirs(os.path.join(directory, "instances"), mode=0o755, exist_ok=True)
        ca_file = os.path.join(os.path.abspath(directory), "root.pem")
        files = {
            "root.pem": b"".join(pki.root.pem for pki in self.cloud.pkis()).decode(),
            "ca.pem": self.tls.ca_pem.decode(),
            "sandbox.json": json.dumps(self.control.status(), indent=2) + "\n",
        }
        for number, (instance_id, url) in enumerate(self.imds_urls.items()):
            files[f"instances/{instance_id}.conf"] = self.control.config(ca_file, url)
            if number == 0:
                files["eic-sshd.conf"] = files[f"instances/{instance_id}.conf"]
        self.trail.open(os.path.join(directory, TRAIL))
        for name, text in files.items():
            with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(text)


def _reader(instance: Instance) -> Read:
    """Calls the instance's method by name at each request, since tests replace it."""
    return lambda path: instance.read(path)


def _host_names(cloud: Cloud) -> List[str]:
    """The names for which the TLS certificate is: those of the APIs, and those of any endpoint."""
    names = ["localhost", "sts.amazonaws.com"]
    for region in cloud.region_names:
        domain = partition(region).domain
        names += [f"{api}.{region}.{domain}" for api in _APIS]
        names += [f"*.{dns_suffix(region)}", f"*.{dns_suffix(region, fips=True)}"]
    return names


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
        asyncio.run_coroutine_threadsafe(_stop(sandbox), loop).result(timeout=_THREAD_TIMEOUT)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=_THREAD_TIMEOUT)
        loop.close()


async def _stop(sandbox: Sandbox) -> None:
    """Stop, and wait for the handlers of open requests, as asyncio.run() does."""
    await sandbox.stop()
    handlers = asyncio.all_tasks() - {asyncio.current_task()}
    for handler in handlers:
        handler.cancel()
    if handlers:
        await asyncio.wait(handlers, timeout=_THREAD_TIMEOUT / 2)


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def serve(sandbox: Sandbox, ready: Callable[[], None]) -> None:
    """Run in the foreground until SIGINT or SIGTERM; calls `ready` when every server listens."""
    asyncio.run(_serve(sandbox, ready))


class _TooManyConnections:
    """The event loop's handler of errors. asyncio has a traceback for each connection that it cannot accept."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, problem: Dict[str, Any]) -> None:
        error = problem.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(problem)
        elif loop.time() >= self._next:
            self._next = loop.time() + _REPORT_EVERY
            _logger().warning("too many connections (%s). Close some.", os.strerror(error.errno))


async def _serve(sandbox: Sandbox, ready: Callable[[], None]) -> None:
    asyncio.get_running_loop().set_exception_handler(_TooManyConnections())
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        await sandbox.start()
        ready()
        await stopped.wait()
    finally:
        await sandbox.stop()
