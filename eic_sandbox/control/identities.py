# SPDX-License-Identifier: Apache-2.0
"""The requests of the control API about identities: credentials, policies, sessions, and what they allow."""

from __future__ import annotations

import re
import time
from typing import Dict, List, Tuple

from aiohttp import web

from ..cloud import access
from ..cloud.cloud import Cloud
from ..cloud.endpoint import tag_keys
from ..cloud.text import listed, shown
from ..iam import arn
from ..iam.evaluate import refusal
from ..iam.policy import Policy, parse
from ..iam.variables import is_key
from . import http
from .http import BadRequest

_ACTION = re.compile(r"[A-Za-z0-9-]{1,64}:[A-Za-z0-9]{1,128}")
_POLICY_NAME = re.compile(r"[A-Za-z0-9+=,.@_ -]{1,128}")  # with a space: "policy 1" is written out in a world file
_REVOCATION = "AWSRevokeOlderSessions"


class Identities:
    """Reads and changes the directory of `cloud`."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> List[web.RouteDef]:
        """Their routes."""
        return [
            web.get("/credentials", self._credentials),
            web.put("/policies", self._attach),
            web.delete("/policies", self._detach),
            web.post("/revoke", self._revoke),
            web.post("/can", self._can),
        ]

    async def _credentials(self, request: web.Request) -> web.Response:
        directory = self._cloud.directory
        name = request.query.get("as")
        found = directory.credentials_of(directory.first_user() if name is None else directory.find(name))
        return http.answer(
            {
                "access_key_id": found.access_key_id,
                "secret": found.secret,
                "token": found.token,
                "arn": found.principal.arn,
                "region": self._region(found.principal.account.id),
            }
        )

    def _region(self, account: str) -> str:
        """The first Region of an account, or of the world."""
        names = [region.name for region in self._cloud.regions() if region.account == account]
        return (names or list(self._cloud.region_names))[0]

    async def _attach(self, request: web.Request) -> web.Response:
        members = await http.json_object(request, ("to", "policy"), ("document",))
        holder, name = (http.text(member, members[member]) for member in ("to", "policy"))
        policy = parse(members["document"], _policy_name(name)) if "document" in members else self._policy(name)
        self._cloud.directory.attach(holder, policy)
        return http.answer({"attached": policy.name, "to": holder})

    def _policy(self, name: str) -> Policy:
        policies = self._cloud.directory.policies
        if name not in policies:
            raise BadRequest(
                f"policy: unknown name ({shown(name)}). Use one of: {listed(policies)}; or add a document."
            )
        return policies[name]

    async def _detach(self, request: web.Request) -> web.Response:
        members = await http.texts(request, ("from", "policy"))
        self._cloud.directory.detach(members["from"], members["policy"])
        return http.answer({"detached": members["policy"], "from": members["from"]})

    async def _revoke(self, request: web.Request) -> web.Response:
        members = await http.texts(request, ("role",))
        before = access.utc(time.time() + 1)  # aws:TokenIssueTime has whole seconds
        condition = {"DateLessThan": {"aws:TokenIssueTime": before}}
        statement = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}
        policy = parse({"Version": "2012-10-17", "Statement": [statement]}, _REVOCATION)
        self._cloud.directory.revoke_sessions(members["role"], policy)
        return http.answer({"revoked": members["role"], "sessions_before": before})

    async def _can(self, request: web.Request) -> web.Response:
        members = await http.json_object(request, ("principal", "action", "resource"), ("context",))
        name, action, text = (http.text(one, members[one]) for one in ("principal", "action", "resource"))
        if not _ACTION.fullmatch(action):
            raise BadRequest(f"action: invalid ({shown(action)}). Use SERVICE:ACTION, such as ec2:DescribeInstances.")
        principal = self._cloud.directory.principal(name)
        resource, region, tags = self._resource(text)
        given = _context(members.get("context", {}))
        origin = access.Origin(time.time(), "127.0.0.1", False, region or self._region(principal.account.id))
        judged = access.request(principal, origin, action, resource, access.replaced(tags, given))
        verdict = access.decide(principal, judged)
        return http.answer(
            {
                "allowed": verdict.allowed,
                "explicit_deny": verdict.explicit_deny,
                "policy": verdict.policy,
                "statement": verdict.statement,
                "message": "" if verdict.allowed else refusal(principal.arn, judged, verdict),
            }
        )

    def _resource(self, text: str) -> Tuple[str, str, Dict[str, str]]:
        """The ARN of a resource, named by it or by its id; its Region, or ""; the condition keys of its tags."""
        for region in self._cloud.regions():
            for instance_id, instance in region.instances.items():
                instance_arn = region.arn(f"instance/{instance_id}")
                if text in (instance_id, instance_arn):
                    return instance_arn, region.name, tag_keys(instance.machine.tags)
            for endpoint in region.endpoints.values():
                if text in (endpoint.id, endpoint.arn):
                    return endpoint.arn, region.name, endpoint.tag_keys()
        if text == "*":
            return text, "", {}
        try:
            return text, arn.split(text)[3], {}
        except arn.MalformedArn:
            problem = f"resource: neither an ARN nor the id of an instance or endpoint ({shown(text)})"
            raise BadRequest(f"{problem}. Use an ARN, an id, or *.") from None


def _policy_name(name: str) -> str:
    if not _POLICY_NAME.fullmatch(name):
        raise BadRequest(
            f"policy: invalid name ({shown(name)}). Use 1 to 128 letters, digits and characters of +=,.@_-."
        )
    return name


def _context(given: object) -> access.Keys:
    """The condition keys of a request, each with a text or a list of them. Raises BadRequest."""
    if not isinstance(given, dict):
        raise BadRequest('the body: context is not an object. Send {"KEY": "VALUE"}.')
    found: Dict[str, access.KeyValue] = {}
    for key, value in given.items():
        if not is_key(key):
            raise BadRequest(f"context: not a condition key ({shown(key)}). Use SERVICE:NAME, such as aws:SourceIp.")
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(one, str) for one in values):
            raise BadRequest(f"context: the value of {shown(key)} is not a string. Put it in double quotes.")
        found[key] = value if isinstance(value, str) else tuple(values)
    return found
