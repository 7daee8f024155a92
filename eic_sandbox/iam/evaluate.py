# SPDX-License-Identifier: Apache-2.0
"""The decision. IAM User Guide, "Policy evaluation logic".

An explicit Deny wins, then an Allow; without either, the request is denied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence

from . import arn, patterns
from .patterns import Pattern
from .policy import Effect, Policy, Statement
from .principals import Naming
from .request import Principal, Request
from .variables import Unresolved


@dataclass(frozen=True)
class Verdict:
    """The decision, and the statement that decided: the first Deny that applies, else the first Allow."""

    allowed: bool
    explicit_deny: bool
    policy: Optional[str] = None
    statement: Optional[str] = None


@dataclass(frozen=True)
class TrustVerdict:
    """The decision of a role's trust policy about a principal.

    With `needs_identity_policy`, an identity-based policy of the principal must allow the request as well. An explicit
    Deny of an identity-based policy counts without it too.
    """

    allowed: bool
    explicit_deny: bool
    needs_identity_policy: bool
    statement: Optional[str] = None


def evaluate(policies: Sequence[Policy], request: Request) -> Verdict:
    """The decision by the identity-based policies of a principal; their order changes only which one is named."""
    allow: Optional[Verdict] = None
    for policy in policies:
        if policy.is_trust:
            raise ValueError(f"{policy.name}: a trust policy is not an identity-based policy")
        for statement in policy.statements:
            if not _applies(statement, request):
                continue
            if statement.effect is Effect.DENY:
                return Verdict(False, True, policy.name, statement.label)
            allow = allow or Verdict(True, False, policy.name, statement.label)
    return allow or Verdict(False, False)


def evaluate_trust(policy: Policy, principal: Principal, request: Request) -> TrustVerdict:
    """The decision by the trust policy of the role that is `request.resource`.

    An identity-based policy is needed too where the trust policy names only the account, or everyone (`*`), and where
    the role is of another account (IAM User Guide, "Cross-account policy evaluation logic"). That `*` alone does not
    suffice within an account is in doubt. Raises arn.MalformedArn if the resource is not an ARN.
    """
    if not policy.is_trust:
        raise ValueError(f"{policy.name}: not a trust policy")
    allow: Optional[Statement] = None
    best = Naming.NOT
    for statement in policy.statements:
        naming = max((one.names(principal) for one in statement.principals), default=Naming.NOT)
        if naming is Naming.NOT or not _applies(statement, request):
            continue
        if statement.effect is Effect.DENY:
            return TrustVerdict(False, True, True, statement.label)
        if naming > best:
            allow, best = statement, naming
    if allow is None:
        return TrustVerdict(False, False, True)
    foreign = arn.account(request.resource) != principal.account
    return TrustVerdict(True, False, foreign or best is not Naming.ITSELF, allow.label)


def refusal(principal_arn: str, request: Request, verdict: Verdict) -> str:
    """IAM's text for a denied request. IAM User Guide, "Troubleshoot access denied error messages".

    For an action without resource-level permissions, the text names no resource. Raises ValueError if it is allowed.
    """
    if verdict.allowed:
        raise ValueError(f"{request.action}: allowed, so there is no refusal")
    on_resource = "" if request.resource == "*" else f" on resource: {request.resource}"
    refused = f"User: {principal_arn} is not authorized to perform: {request.action}{on_resource}"
    if verdict.explicit_deny:
        return f"{refused} with an explicit deny in an identity-based policy"
    return f"{refused} because no identity-based policy allows the {request.action} action"


def _applies(statement: Statement, request: Request) -> bool:
    in_doubt = statement.effect is Effect.DENY
    return (
        _names_action(statement, request.action)
        and (bool(statement.principals) or _names_resource(statement, request, in_doubt))
        and all(condition.holds(request.context, in_doubt) for condition in statement.conditions)
    )


def _names_action(statement: Statement, action: str) -> bool:
    folded = patterns.ascii_lower(action)
    named = any(patterns.matches(pattern, folded) for pattern in statement.actions)
    return named is not statement.not_action


def _names_resource(statement: Statement, request: Request, in_doubt: bool) -> bool:
    """Whether the resource is one of the statement's.

    A wildcard may match colons and slashes. An EC2 or IAM ARN has exactly the five colons that a pattern must have, so
    that there a wildcard cannot reach into another field. A resource with a variable that has no value matches nothing;
    for NotResource, whether the statement applies is then in doubt.
    """
    unresolved = False
    for template in statement.resources:
        try:
            pattern: Pattern = template.expand(request.context)
        except Unresolved:
            unresolved = True
            continue
        if patterns.matches(pattern, request.resource):
            return not statement.not_resource
    if not statement.not_resource:
        return False
    return in_doubt if unresolved else True
