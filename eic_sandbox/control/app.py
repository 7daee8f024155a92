# SPDX-License-Identifier: Apache-2.0
"""The control API of a running sandbox: JSON over HTTP (docs/sandbox.md lists the requests).

It has no password: any program that can connect to it controls the sandbox.
"""

from __future__ import annotations

import dataclasses
import os
import re
import time
from typing import Callable, Dict, List, Mapping, Optional, Tuple

from aiohttp import web

from ..cloud.cloud import Cloud
from ..cloud.instance import Instance
from ..cloud.machine import State
from ..cloud.text import listed, shown
from ..faults import ALL, unknown
from ..imds.app import Imds
from ..pki.tls import TlsIdentity
from ..trail.trail import Trail
from . import http
from .http import BadRequest
from .identities import Identities

_CALLER = "arn:aws:sts::123456789012:assumed-role/Sandbox/control"
_CHANGES = {"start": State.RUNNING, "stop": State.STOPPED, "terminate": State.TERMINATED}

_TIMES = re.compile(r"0*[1-9][0-9]{0,8}")

Urls = Tuple[Dict[str, str], Dict[str, str]]
"""The URLs of the sandbox by name, and those of each instance's IMDS by the instance's id."""


class Control:
    """Controls `cloud`; `urls` returns the URLs once they are known."""

    def __init__(
        self, cloud: Cloud, imdses: Mapping[str, Imds], trail: Trail, tls: TlsIdentity, urls: Callable[[], Urls]
    ) -> None:
        self._cloud = cloud
        self._imdses = imdses
        self._identities = Identities(cloud)
        self._trail = trail
        self._tls = tls
        self._urls = urls

    def application(self) -> web.Application:
        """The HTTP application, with the routes that docs/sandbox.md lists."""
        application = web.Application(middlewares=[http.errors_as_json], client_max_size=http.MAX_BODY)
        application.add_routes(
            [
                web.get("/status", self._status),
                web.get("/faults", self._faults),
                web.put("/faults/{name}", self._set_fault),
                web.delete("/faults/{name}", self._clear_fault),
                web.delete("/faults", self._clear_fault),
                web.post("/rotate/{what}", self._rotate),
                web.post("/keys", self._push),
                web.delete("/keys", self._forget_keys),
                web.get("/root.pem", self._root),
                web.get("/ca.pem", self._ca),
                web.get("/eic-sshd.conf", self._config),
                web.get("/trail", self._events),
                web.post("/instances/{id}/{change}", self._change_instance),
                *self._identities.routes(),
            ]
        )
        return application

    def status(self) -> Dict[str, object]:
        """The answer to `GET /status`; `instance`, `window` and `faults` are those of the first instance."""
        urls, imds_urls = self._urls()
        status: Dict[str, object] = {"pid": os.getpid(), "endpoints": urls}
        first = next(self._cloud.instances(), None)
        if first is not None:
            status["instance"] = dataclasses.asdict(first.metadata)
            status["window"] = first.window
            status["faults"] = [dataclasses.asdict(fault) for fault in first.faults.listed()]
        status["imds_requests"] = sum(imds.received for imds in self._imdses.values())
        status["instances"] = [self._shown(instance, imds_urls) for instance in self._cloud.instances()]
        now = time.time()
        status["instance_connect_endpoints"] = [
            {
                "id": endpoint.id,
                "account": region.account,
                "region": region.name,
                "vpc_id": endpoint.vpc_id,
                "state": endpoint.state(now).value,
                "dns_name": endpoint.dns_name,
                "fips_dns_name": endpoint.fips_dns_name,
                "tunnels": len(endpoint.tunnels),
            }
            for region in self._cloud.regions()
            for endpoint in region.endpoints.values()
        ]
        return status

    @staticmethod
    def _shown(instance: Instance, urls: Mapping[str, str]) -> Dict[str, object]:
        machine, metadata = instance.machine, instance.metadata
        return {
            "id": metadata.instance_id,
            "region": metadata.region,
            "state": machine.state.value,
            "private_ip": str(machine.private_ip),
            "imds": urls.get(metadata.instance_id, ""),
            "faults": [fault.name for fault in instance.faults.listed()],
        }

    def config(self, ca_file: str, imds_url: Optional[str] = None) -> str:
        """An eic-sshd.conf for an instance under test; it trusts the sandbox's root, stored at `ca_file`."""
        return (
            f"[imds]\nendpoint = {imds_url or self._urls()[0]['imds']}\n"
            f"[instance]\nrequire_ec2_hardware = no\n"
            f"[trust]\nca_file = {ca_file}\n"
        )

    def _chosen(self, request: web.Request) -> List[Instance]:
        """The instance that the request names by `?instance=ID`, or all, which are at least one."""
        name = request.query.get("instance")
        if name is not None:
            return [self._instance(name)]
        everyone = list(self._cloud.instances())
        if not everyone:
            raise BadRequest("instance: the world has none. Add one to the world file.")
        return everyone

    def _instance(self, instance_id: str) -> Instance:
        located = self._cloud.locate(instance_id)
        if located is None:
            known = listed(instance.metadata.instance_id for instance in self._cloud.instances())
            raise BadRequest(f"instance: unknown id ({shown(instance_id)}). Use one of: {known}.")
        return located[1]

    async def _status(self, _: web.Request) -> web.Response:
        return http.answer(self.status())

    async def _faults(self, _: web.Request) -> web.Response:
        return http.answer(ALL)

    async def _set_fault(self, request: web.Request) -> web.Response:
        times = request.query.get("times")
        if times is not None and not _TIMES.fullmatch(times):
            raise BadRequest(f"times: invalid ({shown(times)}). Use a positive whole number.")
        count = None if times is None else int(times)
        for instance in self._chosen(request):
            instance.faults.set(request.match_info["name"], request.query.get("path", ""), count)
        return http.answer(self.status())

    async def _clear_fault(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name")
        if name is not None and name not in ALL:
            raise unknown(name)
        for instance in self._chosen(request):
            instance.faults.clear(name)
        return http.answer(self.status())

    async def _rotate(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        if what == "tokens":
            for instance in self._chosen(request):
                self._imdses[instance.metadata.instance_id].forget_tokens()
        elif what == "staples":
            for instance in self._chosen(request):
                instance.rotate_staples()
        elif what == "signer":  # instances of a Region have one signer
            for pki in {id(instance.pki): instance.pki for instance in self._chosen(request)}.values():
                pki.rotate_signer()
        else:
            raise BadRequest(f"rotate: unknown name ({shown(what)}). Use one of: signer, staples, tokens.")
        return http.answer(self.status())

    async def _push(self, request: web.Request) -> web.Response:
        members = await http.texts(request, ("user", "key"), ("caller",))
        caller = members.get("caller", _CALLER)
        ids = [instance.push(members["user"], members["key"], caller) for instance in self._chosen(request)]
        return http.answer({"request_id": ids[0]})

    async def _forget_keys(self, request: web.Request) -> web.Response:
        for instance in self._chosen(request):
            instance.forget_keys()
        return http.answer(self.status())

    async def _root(self, _: web.Request) -> web.Response:
        pems = b"".join(pki.root.pem for pki in self._cloud.pkis())
        return web.Response(body=pems, content_type="application/x-pem-file")

    async def _ca(self, _: web.Request) -> web.Response:
        return web.Response(body=self._tls.ca_pem, content_type="application/x-pem-file")

    async def _config(self, request: web.Request) -> web.Response:
        instance = self._chosen(request)[0]
        ca_file = request.query.get("ca_file", "/etc/eic-sshd/sandbox-root.pem")
        if not ca_file.isprintable():
            raise BadRequest(f"ca_file: invalid ({shown(ca_file)}). Use a path of printable characters.")
        return web.Response(text=self.config(ca_file, self._urls()[1][instance.metadata.instance_id]))

    async def _events(self, _: web.Request) -> web.Response:
        return http.answer({"Records": list(reversed(self._trail.newest_first()))})

    async def _change_instance(self, request: web.Request) -> web.Response:
        instance, change = self._instance(request.match_info["id"]), request.match_info["change"]
        if change not in _CHANGES:
            raise BadRequest(f"instance: unknown change ({shown(change)}). Use one of: {listed(_CHANGES)}.")
        if instance.machine.state is State.TERMINATED:
            raise BadRequest(f"{instance.metadata.instance_id}: is terminated, which is final. Use another instance.")
        instance.machine.state = _CHANGES[change]
        return http.answer(self._shown(instance, self._urls()[1]))
