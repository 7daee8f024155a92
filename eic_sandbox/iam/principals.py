# SPDX-License-Identifier: Apache-2.0
"""The Principal element of a role's trust policy. IAM User Guide, "AWS JSON policy elements: Principal"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import List, Tuple

from . import arn
from .document import Node
from .errors import show
from .request import Principal

_EVERYONE = "*"
_IAM_RESOURCE = re.compile(r"root|(user|role)/[\x21-\x7e]+")
_STS_RESOURCE = re.compile(r"assumed-role/[^/]+/[^/]+|federated-user/[^/]+")
_REMEDY = 'Use an account id, the ARN of a user, role or session, or "*".'
_TYPES = ("AWS", "Service", "Federated")


class Naming(IntEnum):
    """How a statement names who makes the request; a larger one is more specific."""

    NOT = 0
    BY_ACCOUNT = 1
    """By its account, or as everyone."""
    ITSELF = 2


@dataclass(frozen=True)
class Trusted:
    """One value of a Principal element: `*`, an ARN, or an account id, which also stands for the ARN of its root."""

    text: str

    def names(self, principal: Principal) -> Naming:
        """Whether this names the principal. The ARN of a role also names its sessions; a name has no wildcards."""
        if self.text in (principal.arn, principal.role_arn):
            return Naming.ITSELF
        if self.text in (_EVERYONE, principal.account):
            return Naming.BY_ACCOUNT
        return Naming.NOT


def parse(node: Node) -> Tuple[Trusted, ...]:
    """The AWS principals. Those of a Service or an identity provider are valid; the sandbox has none of them."""
    if node.value == _EVERYONE:
        return (Trusted(_EVERYONE),)
    if isinstance(node.value, str):
        node.fail(f"neither an object nor * ({show(node.value)})", 'Use {"AWS": ...}.')
    members = node.elements(_TYPES)
    if not members:
        node.fail("an empty object", _REMEDY)
    found: List[Trusted] = []
    for kind, values in members.items():
        texts = [(item, item.text()) for item in values.items()]
        if kind == "AWS":
            found.extend(_aws(item, text) for item, text in texts)
    return tuple(found)


def _aws(node: Node, text: str) -> Trusted:
    if text == _EVERYONE or arn.is_account(text):
        return Trusted(text)
    try:
        _, _, service, region, account, resource = arn.split(text)
    except arn.MalformedArn as problem:
        node.fail(f"not a principal: {problem} ({show(text)})", _REMEDY)
    if "*" in text or "?" in text:
        node.fail(f"a wildcard in the name of a principal ({show(text)})", "Name it whole, or use a Condition.")
    resources = {"iam": _IAM_RESOURCE, "sts": _STS_RESOURCE}.get(service)
    if resources is None or region or not arn.is_account(account) or not resources.fullmatch(resource):
        node.fail(f"not the ARN of a principal ({show(text)})", _REMEDY)
    return Trusted(account if resource == "root" else text)
