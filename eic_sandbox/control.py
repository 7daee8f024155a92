# SPDX-License-Identifier: Apache-2.0
"""The control API of a running sandbox: faults, rotations and unchecked pushes. JSON over HTTP.

GET    /status                          the URLs, the instance, the faults that are set
GET    /faults                          every fault, with its description
PUT    /faults/NAME?path=P&times=N      set a fault; path and times limit faults of the connection to IMDS
DELETE /faults/NAME, DELETE /faults     clear one fault, clear all
POST   /rotate/signer, /rotate/staples  make new ones; /rotate/tokens expires every IMDS token
POST   /keys {"user": U, "key": LINE}   push any line, without the checks of the API
DELETE /keys                            remove every pushed key
GET    /root.pem, /eic-sshd.conf        the root certificate; a configuration for an instance under test
"""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Awaitable, Callable, Dict

from aiohttp import web

from .cloud.instance import Instance
from .faults import ALL, unknown
from .imds.app import Imds

_CALLER = "arn:aws:sts::123456789012:assumed-role/Sandbox/control"


class Control:
    """Controls `instance` and `imds`; `endpoints` returns the URLs by name once they are known."""

    def __init__(self, instance: Instance, imds: Imds, endpoints: Callable[[], Dict[str, str]]) -> None:
        self._instance = instance
        self._imds = imds
        self._endpoints = endpoints

    def application(self) -> web.Application:
        """The HTTP application, with the routes that docs/sandbox.md lists."""
        application = web.Application(middlewares=[_errors_as_json])
        application.router.add_get("/status", self._status)
        application.router.add_get("/faults", self._faults)
        application.router.add_put("/faults/{name}", self._set_fault)
        application.router.add_delete("/faults/{name}", self._clear_fault)
        application.router.add_delete("/faults", self._clear_fault)
        application.router.add_post("/rotate/{what}", self._rotate)
        application.router.add_post("/keys", self._push)
        application.router.add_delete("/keys", self._forget_keys)
        application.router.add_get("/root.pem", self._root)
        application.router.add_get("/eic-sshd.conf", self._config)
        return application

    def status(self) -> Dict[str, object]:
        """The answer to `GET /status`."""
        return {
            "pid": os.getpid(),
            "endpoints": self._endpoints(),
            "instance": dataclasses.asdict(self._instance.metadata),
            "window": self._instance.window,
            "faults": [dataclasses.asdict(fault) for fault in self._instance.faults.listed()],
            "imds_requests": len(self._imds.requests),
        }

    def config(self, ca_file: str) -> str:
        """An eic-sshd.conf for an instance under test; it trusts the sandbox's root, stored at `ca_file`."""
        return (
            f"[imds]\nendpoint = {self._endpoints()['imds']}\n"
            f"[instance]\nrequire_ec2_hardware = no\n"
            f"[trust]\nca_file = {ca_file}\n"
        )

    async def _status(self, _: web.Request) -> web.Response:
        return _json(self.status())

    async def _faults(self, _: web.Request) -> web.Response:
        return _json(ALL)

    async def _set_fault(self, request: web.Request) -> web.Response:
        times = request.query.get("times")
        if times is not None and not (times.isascii() and times.isdigit() and int(times) > 0):
            raise ValueError(f"times: not a positive whole number ({times!r})")
        self._instance.faults.set(
            request.match_info["name"], request.query.get("path", ""), None if times is None else int(times)
        )
        return _json(self.status())

    async def _clear_fault(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name")
        if name is not None and name not in ALL:
            raise unknown(name)
        self._instance.faults.clear(name)
        return _json(self.status())

    async def _rotate(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        rotations = {
            "signer": self._instance.rotate_signer,
            "staples": self._instance.rotate_staples,
            "tokens": self._imds.forget_tokens,
        }
        if what not in rotations:
            raise ValueError(f"rotate: unknown name ({what!r}). Use one of: {', '.join(rotations)}.")
        rotations[what]()
        return _json(self.status())

    async def _push(self, request: web.Request) -> web.Response:
        members = json.loads(await request.text())
        if not isinstance(members, dict) or not all(isinstance(members.get(name), str) for name in ("user", "key")):
            raise ValueError('the body is not {"user": USER, "key": LINE}')
        caller = str(members.get("caller", _CALLER))
        return _json({"request_id": self._instance.push(members["user"], members["key"], caller)})

    async def _forget_keys(self, _: web.Request) -> web.Response:
        self._instance.forget_keys()
        return _json(self.status())

    async def _root(self, _: web.Request) -> web.Response:
        return web.Response(body=self._instance.pki.root.pem, content_type="application/x-pem-file")

    async def _config(self, request: web.Request) -> web.Response:
        return web.Response(text=self.config(request.query.get("ca_file", "/etc/eic-sshd/sandbox-root.pem")))


def _json(value: object) -> web.Response:
    return web.Response(text=json.dumps(value, indent=2) + "\n", content_type="application/json")


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answers status 400 and `{"error": ...}` to a request that is wrong."""
    try:
        return await handler(request)
    except ValueError as error:
        return web.Response(status=400, text=json.dumps({"error": str(error)}) + "\n", content_type="application/json")
