# SPDX-License-Identifier: Apache-2.0
"""Policies, and the parsing of their documents.

IAM User Guide, "IAM JSON policy element reference" and "Grammar of the IAM JSON policy language".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Dict, List, NoReturn, Tuple

from . import arn, document, patterns, principals, variables
from .conditions import Condition, Quantifier
from .document import Node
from .errors import PolicyError, show
from .operators import IF_EXISTS, NULL, OPERATORS, Test, variables_of
from .patterns import Pattern
from .principals import Trusted
from .values import MalformedValue
from .variables import MalformedVariable, Template

__all__ = ["Effect", "Policy", "PolicyError", "Statement", "parse", "parse_trust"]

_WITH_VARIABLES = "2012-10-17"
_VERSIONS = (_WITH_VARIABLES, "2008-10-17")
_STATEMENT = ("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition")
_TRUST_STATEMENT = ("Sid", "Effect", "Principal", "Action", "Condition")
_SID = re.compile(r"[A-Za-z0-9]*")
_ACTION = re.compile(r"\*|\*:\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
_MALFORMED_VARIABLE = "Use ${KEY}, ${KEY, 'DEFAULT'}, or ${$} for a dollar sign; a KEY is SERVICE:NAME."


class Effect(Enum):
    """What a statement does when it applies."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True)
class Statement:
    """One statement. `label` is its Sid, or "statement 2" counted from 1."""

    label: str
    effect: Effect
    actions: Tuple[Pattern, ...]
    not_action: bool
    resources: Tuple[Template, ...]
    not_resource: bool
    principals: Tuple[Trusted, ...]
    conditions: Tuple[Condition, ...]


@dataclass(frozen=True)
class Policy:
    """A parsed policy. The statements of a trust policy have principals, the others resources."""

    name: str
    statements: Tuple[Statement, ...]
    is_trust: bool

    @property
    def condition_keys(self) -> Tuple[str, ...]:
        """The condition keys and the keys of policy variables that it names, sorted, each in its first spelling."""
        found: Dict[str, str] = {}
        for statement in self.statements:
            named = [one.key for template in statement.resources for one in template.variables]
            for condition in statement.conditions:
                named.append(condition.key)
                named += [one.key for test in condition.tests for one in variables_of(test)]
            for key in named:
                found.setdefault(patterns.ascii_lower(key), key)
        return tuple(sorted(found.values()))


def parse(document: object, name: str) -> Policy:
    """The identity-based policy in a decoded JSON document. Raises PolicyError."""
    return _policy(document, name, is_trust=False)


def parse_trust(document: object, name: str) -> Policy:
    """The trust policy of a role in a decoded JSON document. Raises PolicyError."""
    return _policy(document, name, is_trust=True)


def _policy(decoded: object, name: str, is_trust: bool) -> Policy:
    node = document.root(decoded, name)
    # An identity-based policy has no Id ("Grammar of the IAM JSON policy language", notes).
    elements = node.elements(("Version", "Id", "Statement") if is_trust else ("Version", "Statement"))
    if "Id" in elements:
        elements["Id"].text()
    version = elements["Version"].text() if "Version" in elements else _VERSIONS[-1]
    if version not in _VERSIONS:
        elements["Version"].fail(f"unknown version ({show(version)})", f'Use "{_WITH_VARIABLES}".')
    if "Statement" not in elements:
        node.fail("no Statement", "Add one.")
    has_variables = version == _WITH_VARIABLES
    statements: List[Statement] = []
    for number, item in enumerate(elements["Statement"].items(), start=1):
        statements.append(_statement(item, f"statement {number}", has_variables, is_trust))
        if statements[-1].label in [earlier.label for earlier in statements[:-1]]:
            item.child("Sid", None).fail(f"a Sid twice ({statements[-1].label})", "Use each Sid once.")
    return Policy(name, tuple(statements), is_trust)


def _statement(node: Node, default_label: str, has_variables: bool, is_trust: bool) -> Statement:
    if is_trust:
        _reject(node, ("Resource", "NotResource"), "not an element of a trust policy", "Remove it.")
        _reject(node, ("NotAction", "NotPrincipal"), "not an element of a trust policy", "Name what is meant.")
    else:
        _reject(node, ("Principal", "NotPrincipal"), "not an element of an identity-based policy", "Remove it.")
    elements = node.elements(_TRUST_STATEMENT if is_trust else _STATEMENT)
    for name in ("Effect", "Principal") if is_trust else ("Effect",):
        if name not in elements:
            node.fail(f"no {name}", "Add one.")
    action = _one_of(node, elements, ("Action", "NotAction"))
    resource = None if is_trust else _one_of(node, elements, ("Resource", "NotResource"))
    return Statement(
        label=(_sid(elements["Sid"]) if "Sid" in elements else "") or default_label,
        effect=_effect(elements["Effect"]),
        actions=tuple(_action(item, is_trust) for item in action.items()),
        not_action=action.path[-1] == "NotAction",
        resources=() if resource is None else tuple(_resource(item, has_variables) for item in resource.items()),
        not_resource=resource is not None and resource.path[-1] == "NotResource",
        principals=principals.parse(elements["Principal"]) if is_trust else (),
        conditions=tuple(_conditions(elements["Condition"], has_variables)) if "Condition" in elements else (),
    )


def _reject(node: Node, names: Tuple[str, ...], problem: str, remedy: str) -> None:
    for name, member in node.members().items():
        if name in names:
            member.fail(problem, remedy)


def _one_of(node: Node, elements: Dict[str, Node], names: Tuple[str, str]) -> Node:
    found = [elements[name] for name in names if name in elements]
    if len(found) != 1:
        problem = f"both {names[0]} and {names[1]}" if found else f"neither {names[0]} nor {names[1]}"
        node.fail(problem, "Use one of them.")
    return found[0]


def _sid(node: Node) -> str:
    if not _SID.fullmatch(node.text()):
        node.fail(f"malformed Sid ({show(node.value)})", "Use letters and digits (A-Z, a-z, 0-9).")
    return node.text()


def _effect(node: Node) -> Effect:
    effects = {effect.value: effect for effect in Effect}
    if node.text() not in effects:
        node.fail(f"unknown effect ({show(node.value)})", "Use Allow or Deny.")
    return effects[node.text()]


def _action(node: Node, is_trust: bool) -> Pattern:
    text = node.text()
    if not _ACTION.fullmatch(text):
        node.fail(f"malformed action ({show(text)})", 'Use SERVICE:ACTION, with wildcards in ACTION only, or "*".')
    folded = patterns.ascii_lower(text)
    if is_trust and not folded.startswith("sts:"):
        node.fail(f"an action that is not STS's in a trust policy ({show(text)})", "Use sts:AssumeRole.")
    return patterns.wild(folded)


def _resource(node: Node, has_variables: bool) -> Template:
    text = node.text()
    try:
        if text != "*":
            arn.check_resource(text)
        return variables.parse(text, wildcards=True, variables=has_variables)
    except arn.MalformedArn as problem:
        node.fail(
            f"malformed resource: {problem} ({show(text)})", 'Use arn:PARTITION:SERVICE:REGION:ACCOUNT:... or "*".'
        )
    except MalformedVariable as problem:
        _malformed_variable(node, problem)


def _malformed_variable(node: Node, problem: MalformedVariable) -> NoReturn:
    node.fail(f"malformed policy variable ({show(str(problem))})", _MALFORMED_VARIABLE)


def _conditions(node: Node, has_variables: bool) -> List[Condition]:
    found: List[Condition] = []
    for name, keys in node.members().items():
        prefix, colon, rest = name.rpartition(":")
        suffixed = rest.endswith(IF_EXISTS)
        operator = OPERATORS.get(rest[: -len(IF_EXISTS)] if suffixed else rest)
        if operator is None:
            keys.fail("unknown operator", document.use_one_of(rest, OPERATORS))
        if (colon and not prefix) or prefix not in [one.value for one in Quantifier]:
            keys.fail("unknown prefix of an operator", "Use ForAnyValue: or ForAllValues:.")
        if operator.name == NULL and (suffixed or prefix):
            keys.fail("Null with a prefix or suffix", "Use Null.")
        if not keys.members():
            keys.fail("an operator without a key", "Add a key, or remove the operator.")
        for key, values in keys.members().items():
            if not variables.is_key(key):
                values.fail("malformed condition key", "Use SERVICE:NAME, such as aws:SourceIp.")
            tests = tuple(_test(item, operator.name, has_variables) for item in values.items())
            found.append(Condition(operator, Quantifier(prefix), suffixed, key, tests))
    return found


def _test(node: Node, operator: str, has_variables: bool) -> Test:
    try:
        return OPERATORS[operator].compile(node.scalar(), has_variables)
    except MalformedVariable as problem:
        if operator.startswith(("String", "Arn")):
            _malformed_variable(node, problem)
        node.fail(
            f"a policy variable with {operator} ({show(node.value)})", "Use variables with String or Arn operators."
        )
    except MalformedValue as problem:
        node.fail(
            f"{problem} ({show(node.value)})", f"Use a value for {operator} such as {OPERATORS[operator].example}."
        )
