# SPDX-License-Identifier: Apache-2.0
"""Every API at one address: a request is authenticated, authorised, carried out and recorded.

The scope of its signature names the service. A request without one gets its error in the protocol that its headers
suggest.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Callable, Mapping, Optional, Tuple

from aiohttp import web

from ..cloud.access import AccessDenied
from ..cloud.authentication import Failure, Unauthenticated, authenticate, read
from ..cloud.cloud import Cloud
from ..cloud.principals import Credentials
from ..cloud.region import ChangeRefused
from ..iam.document import Json
from ..iam.sigv4 import HttpRequest, Signature
from ..trail.event import Attempt, Outcome, event
from ..trail.trail import Trail
from . import http, json_protocol, query_protocol
from .call import Call
from .catalogue import Protocol, Service, services
from .errors import ServiceError

MAX_BODY = 256 * 1024  # bytes
_GLOBAL_REGION = "us-east-1"  # of STS's global endpoint
_UNKNOWN_ACCOUNT, _UNKNOWN_NAME = "", "Unknown"


class Api:
    """The HTTP application of all services."""

    def __init__(self, cloud: Cloud, trail: Trail, clock: Callable[[], float] = time.time) -> None:
        self._cloud = cloud
        self._trail = trail
        self._clock = clock
        self._services = services(trail)

    def application(self) -> web.Application:
        """Operations are sent to `/`, by POST or GET."""
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_route("*", "/{path:.*}", self.handle)
        return application

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        problem: Optional[ServiceError] = None
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            body, problem = b"", ServiceError("RequestEntityTooLarge", f"The body has over {MAX_BODY} bytes", 413)
        except (web.RequestPayloadError, web.HTTPBadRequest):
            body, problem = b"", ServiceError("SerializationException", "The body does not have its encoding or length")
        raw = http.signed_request(request, body)
        service = self._service(raw)
        attempt = http.attempt(
            request,
            at=self._clock(),
            source=service.source,
            name=_UNKNOWN_NAME,
            region=self._cloud.region_names[0],
            account=_UNKNOWN_ACCOUNT,
        )
        request_id = attempt.request_id
        exchange = _Exchange(self._cloud, service, raw, attempt)
        try:
            if problem is not None:
                raise problem
            answer, status = exchange.run(), 200
        except ServiceError as error:
            exchange.failed(error)
            answer, status = _error(service, error, request_id), error.status
        self._trail.record(event(exchange.attempt, exchange.outcome))
        kind = json_protocol.CONTENT_TYPE if service.protocol is Protocol.JSON else query_protocol.CONTENT_TYPE
        headers = {"Content-Type": kind, "x-amzn-RequestId": request_id}
        return web.Response(status=status, body=answer, headers=headers)

    def _service(self, raw: HttpRequest) -> Service:
        """The service of the signature's scope, or the one whose protocol the request has."""
        try:
            name = read(raw).service
        except Unauthenticated:
            name = ""
        if name in self._services:
            return self._services[name]
        target = _header(raw, "X-Amz-Target")
        if target or "json" in _header(raw, "Content-Type"):
            return self._services["cloudtrail" if "CloudTrail" in target else "ec2-instance-connect"]
        return self._services["sts" if query_protocol.STS_VERSION.encode() in raw.body else "ec2"]


class _Exchange:
    """One request to a service: `attempt` and `outcome` are what the trail shows of it."""

    def __init__(self, cloud: Cloud, service: Service, raw: HttpRequest, attempt: Attempt) -> None:
        self.attempt = attempt
        self.outcome = Outcome()
        self._cloud = cloud
        self._service = service
        self._raw = raw

    def failed(self, error: ServiceError) -> None:
        """The request ended with an error."""
        self.outcome = replace(self.outcome, error_code=error.name, error_message=error.message, response=None)

    def run(self) -> bytes:
        """The body of the answer. Raises ServiceError."""
        try:
            signature, credentials = self._authenticate()
        except Unauthenticated as problem:
            self.attempt = replace(self.attempt, access_key_id=problem.access_key_id, name=self._guess_name())
            raise ServiceError(*self._failure(problem)) from None
        account = credentials.principal.account.id
        self.attempt = replace(self.attempt, caller=credentials, account=account, region=signature.region)
        region = self._cloud.region(account, signature.region)
        call = Call(
            self._cloud,
            region,
            credentials.principal,
            http.origin(self.attempt, signature.region),
            self.attempt.request_id,
        )
        try:
            return self._json(call) if self._service.protocol is Protocol.JSON else self._query(call)
        except AccessDenied as denied:
            name, status = self._service.denied
            text = str(denied)
            if self._service.protocol is Protocol.EC2:
                text = f"You are not authorized to perform this operation. {text}"
            raise ServiceError(name, text, status) from None
        except ChangeRefused as refused:
            raise ServiceError(refused.code, refused.message) from None

    def _authenticate(self) -> Tuple[Signature, Credentials]:
        signature = read(self._raw)
        regions = set(self._cloud.region_names) | ({_GLOBAL_REGION} if self._service.name == "sts" else set())
        now = self.attempt.at
        credentials = authenticate(
            self._cloud.directory, self._raw, signature, now=now, regions=regions, service=self._service.name
        )
        return signature, credentials

    def _failure(self, problem: Unauthenticated) -> Tuple[str, str, int]:
        name, status = self._service.failures[problem.failure]
        text = problem.message
        if name == "AuthFailure" and problem.failure is not Failure.WRONG_SCOPE:
            text = "AWS was not able to validate the provided access credentials"
        return name, text, status

    def _guess_name(self) -> str:
        """The name of the operation for the trail, where the request was refused before it was read."""
        target = _header(self._raw, "X-Amz-Target").rpartition(".")[2]
        known = {*self._service.json_operations, *self._service.query_operations}
        if target in known:
            return target
        return next((name for name in known if f"Action={name}&".encode() in self._raw.body + b"&"), _UNKNOWN_NAME)

    def _json(self, call: Call) -> bytes:
        prefix, _, name = _header(self._raw, "X-Amz-Target").rpartition(".")
        operation = self._service.json_operations.get(name) if prefix in self._service.targets else None
        if operation is None or self._raw.method != "POST" or self._raw.path != "/":
            self.attempt = replace(self.attempt, name=name[:64] or _UNKNOWN_NAME)
            raise ServiceError(
                "UnknownOperationException", f"The sandbox does not offer this operation ({name[:64]!r})"
            )
        self.attempt = replace(self.attempt, name=name, read_only=operation.read_only)
        members = json_protocol.members(self._raw.body)
        known = {name: value for name, value in members.items() if name in operation.members}
        self._record_parameters(query_protocol.trail_names(known))
        output = operation.run(call, members)
        self._succeeded(call)
        return json_protocol.answer(output)

    def _query(self, call: Call) -> bytes:
        query = query_protocol.read(self._raw.body if self._raw.method == "POST" else self._raw.query.encode())
        query.ignore_signature()
        name = query.pairs.get("Action", "")
        operation = self._service.query_operations.get(name)
        ec2 = self._service.protocol is Protocol.EC2
        if operation is None or self._raw.path not in ("/", ""):
            self.attempt = replace(self.attempt, name=name[:64] or _UNKNOWN_NAME)
            text = f"The action {name[:64]} is not valid for this web service: the sandbox does not offer it"
            raise ServiceError("InvalidAction", text)
        self.attempt = replace(self.attempt, name=name, read_only=operation.read_only)
        self._record_parameters(query_protocol.trail_parameters(query))
        version = query_protocol.EC2_VERSION if ec2 else query_protocol.STS_VERSION
        if query.pairs.get("Version") != version:
            raise ServiceError("InvalidAction", f"The version is not {version}")
        output = operation.run(call, query)
        query.require_known()
        self._succeeded(call)
        write = query_protocol.ec2_answer if ec2 else query_protocol.sts_answer
        return write(name, output, self.attempt.request_id)

    def _record_parameters(self, parameters: Mapping[str, Json]) -> None:
        self.attempt = replace(self.attempt, parameters=parameters or None)

    def _succeeded(self, call: Call) -> None:
        self.outcome = replace(self.outcome, response=call.trail_response, resources=call.resources or None)


def _header(raw: HttpRequest, name: str) -> str:
    return next((value for key, value in raw.headers if key.lower() == name.lower()), "")


def _error(service: Service, error: ServiceError, request_id: str) -> bytes:
    if service.protocol is Protocol.JSON:
        return json_protocol.error(error)
    write = query_protocol.ec2_error if service.protocol is Protocol.EC2 else query_protocol.sts_error
    return write(error, request_id)
