# SPDX-License-Identifier: Apache-2.0
"""The sandbox's control API: faults, rotations and raw pushes, from outside while it runs. JSON over HTTP.

GET    /status                          where everything listens, the instance, the faults that are set
GET    /faults                          every fault there is, with what it does
PUT    /faults/NAME?path=P&times=N      set one; path and times narrow faults of the connection to IMDS
DELETE /faults/NAME, DELETE /faults     clear one, clear all
POST   /rotate/signer, /rotate/staples  make new ones; /rotate/tokens lets every IMDS token expire
POST   /keys {"user": U, "key": LINE}   push any line at all, past the API's checks
DELETE /keys                            take back every pushed key
GET    /root.pem, /eic-sshd.conf        what an instance under test needs
"""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any, Callable, Dict

from aiohttp import web

from .cloud.instance import Instance
from .faults import ALL, UnknownFault
from .imds.app import Imds


class Control:
    """Control of `instance` and `imds`; `endpoints` gives the URLs by name once they are known."""

    def __init__(self, instance: Instance, imds: Imds, endpoints: Callable[[], Dict[str, str]]) -> None:
        self._instance = instance
        self._imds = imds
        self._endpoints = endpoints

    def application(self) -> web.Application:
        application = web.Application(middlewares=[_said_plainly])
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

    def status(self) -> Dict[str, Any]:
        """What `GET /status` answers."""
        return {
            "pid": os.getpid(),
            "endpoints": self._endpoints(),
            "instance": dataclasses.asdict(self._instance.facts),
            "window": self._instance.window,
            "faults": [dataclasses.asdict(fault) for fault in self._instance.faults.listed()],
            "imds_requests": len(self._imds.requests),
        }

    def config(self, ca_file: str) -> str:
        """An eic-sshd.conf for an instance under test that trusts the sandbox's root, kept at `ca_file`."""
        return (
            f"[imds]\nendpoint = {self._endpoints()['imds']}\n"
            f"[instance]\nrequire_ec2_hardware = no\n"
            f"[trust]\nca_file = {ca_file}\n"
        )

    async def _status(self, request: web.Request) -> web.Response:
        return _json(self.status())

    async def _faults(self, request: web.Request) -> web.Response:
        return _json(ALL)

    async def _set_fault(self, request: web.Request) -> web.Response:
        times = request.query.get("times")
        if times is not None and not (times.isascii() and times.isdigit() and int(times) > 0):
            raise ValueError(f"times takes a whole number above 0, not {times!r}")
        self._instance.faults.set(
            request.match_info["name"], request.query.get("path", ""), None if times is None else int(times)
        )
        return _json(self.status())

    async def _clear_fault(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name")
        if name is not None and name not in ALL:
            raise UnknownFault(f"there is no fault {name!r}; there are: {', '.join(ALL)}")
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
            raise ValueError(f"{what!r} cannot be rotated; there are: {', '.join(rotations)}")
        rotations[what]()
        return _json(self.status())

    async def _push(self, request: web.Request) -> web.Response:
        wanted = json.loads(await request.text())
        if not isinstance(wanted, dict) or not all(isinstance(wanted.get(name), str) for name in ("user", "key")):
            raise ValueError('the body must be {"user": USER, "key": LINE}')
        caller = str(wanted.get("caller", "arn:aws:sts::123456789012:assumed-role/Sandbox/control"))
        return _json({"request_id": self._instance.push(wanted["user"], wanted["key"], caller)})

    async def _forget_keys(self, request: web.Request) -> web.Response:
        self._instance.forget_keys()
        return _json(self.status())

    async def _root(self, request: web.Request) -> web.Response:
        return web.Response(body=self._instance.pki.root.pem, content_type="application/x-pem-file")

    async def _config(self, request: web.Request) -> web.Response:
        return web.Response(text=self.config(request.query.get("ca_file", "/etc/eic-sshd/sandbox-root.pem")))


def _json(value: Any) -> web.Response:
    return web.Response(text=json.dumps(value, indent=2) + "\n", content_type="application/json")


@web.middleware
async def _said_plainly(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
        return answer
    except ValueError as error:
        return web.Response(status=400, text=json.dumps({"error": str(error)}) + "\n", content_type="application/json")
