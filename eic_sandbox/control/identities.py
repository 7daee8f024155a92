# SPDX-License-Identifier: Apache-2.0
"""The requests of the control API about identities: credentials, policies, sessions, and what they allow."""

from __future__ import annotations

import time
from typing import Dict, List

from aiohttp import web

from ..cloud import access
from ..cloud.cloud import Cloud
from ..cloud.endpoint import tag_keys
from ..iam.evaluate import refusal
from ..iam.policy import parse
from . import http


class Identities:
    """Changes and asks the directory of `cloud`."""

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
        found = self._cloud.directory.credentials_of(request.query.get("as", self._first_user()))
        account = found.principal.account.id
        regions = [region.name for region in self._cloud.regions() if region.account == account]
        return http.answer(
            {
                "access_key_id": found.access_key_id,
                "secret": found.secret,
                "token": found.token,
                "arn": found.principal.arn,
                "region": (regions or list(self._cloud.region_names))[0],
            }
        )

    def _first_user(self) -> str:
        return self._cloud.directory.users[0].arn if self._cloud.directory.users else "the first user"

    async def _attach(self, request: web.Request) -> web.Response:
        members = await http.json_object(request)
        name, policy, document = members.get("to"), members.get("policy"), members.get("document")
        if not isinstance(name, str) or not isinstance(policy, str):
            raise ValueError('the body is not {"to": NAME, "policy": NAME} with an optional "document"')
        if document is not None:
            made = parse(document, policy)
        elif policy in self._cloud.directory.policies:
            made = self._cloud.directory.policies[policy]
        else:
            known = ", ".join(self._cloud.directory.policies) or "none"
            raise ValueError(f"policy: unknown name ({policy[:64]!r}). Use one of: {known}; or add a document.")
        self._cloud.directory.attach(name, made)
        return http.answer({"attached": made.name, "to": name})

    async def _detach(self, request: web.Request) -> web.Response:
        members = await http.members(request, "from", "policy")
        self._cloud.directory.detach(members["from"], members["policy"])
        return http.answer({"detached": members["policy"], "from": members["from"]})

    async def _revoke(self, request: web.Request) -> web.Response:
        members = await http.members(request, "role")
        before = access.utc(time.time() + 1)
        condition = {"DateLessThan": {"aws:TokenIssueTime": before}}
        statement = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}
        policy = parse({"Version": "2012-10-17", "Statement": [statement]}, "AWSRevokeOlderSessions")
        self._cloud.directory.revoke_sessions(members["role"], policy)
        return http.answer({"revoked": members["role"], "sessions_before": before})

    async def _can(self, request: web.Request) -> web.Response:
        members = await http.json_object(request)
        given = members.get("context", {})
        names = [members.get(name) for name in ("principal", "action", "resource")]
        if not all(isinstance(name, str) for name in names) or not isinstance(given, dict):
            raise ValueError('the body is not {"principal": P, "action": A, "resource": R} with an optional "context"')
        name, action, named = map(str, names)
        resource, tags = self._resource(named)
        principal = self._cloud.directory.principal(name)
        keys = {**tags, **{str(key): str(value) for key, value in given.items()}}
        region = self._cloud.region_names[0]
        origin = access.Origin(time.time(), keys.get("aws:SourceIp", "127.0.0.1"), False, region)
        asked = access.request(principal, origin, action, resource, keys)
        verdict = access.decide(principal, asked)
        return http.answer(
            {
                "allowed": verdict.allowed,
                "explicit_deny": verdict.explicit_deny,
                "policy": verdict.policy,
                "statement": verdict.statement,
                "message": "" if verdict.allowed else refusal(principal.arn, asked, verdict),
            }
        )

    def _resource(self, text: str) -> tuple[str, Dict[str, str]]:
        """The ARN of a resource that is named by its ARN or its id, and the condition keys of its tags."""
        for region in self._cloud.regions():
            for instance_id, instance in region.instances.items():
                arn = region.arn(f"instance/{instance_id}")
                if text in (instance_id, arn):
                    return arn, tag_keys(instance.machine.tags)
            for endpoint in region.endpoints.values():
                if text in (endpoint.id, endpoint.arn):
                    return endpoint.arn, endpoint.tag_keys()
        return text, {}
