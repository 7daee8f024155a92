# SPDX-License-Identifier: Apache-2.0
"""The condition operators. IAM User Guide, "IAM JSON policy elements: Condition operators"."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from enum import Enum
from typing import Callable, Dict, Generic, Protocol, Tuple, TypeVar

from . import arn, patterns, values, variables
from .request import Context
from .values import MalformedValue
from .variables import MalformedVariable, Template, Unresolved, Variable

Seen = TypeVar("Seen")
Wanted = TypeVar("Wanted")


class Match(Enum):
    """What a comparison of two values gives."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """The value of the request is not of the operator's type, or a variable has no value."""


class Test(Protocol):
    """The comparison with one value of a policy."""

    def match(self, seen: str, context: Context) -> Match:
        """Whether the value of the request matches."""


@dataclass(frozen=True)
class StringTest:
    """Compares with a text, in which a `*` or `?` may be a wildcard."""

    template: Template
    ignore_case: bool = False

    def match(self, seen: str, context: Context) -> Match:
        """Whether the value of the request is the text."""
        try:
            pattern = self.template.expand(context)
        except Unresolved:
            return Match.UNKNOWN
        if self.ignore_case:
            pattern = tuple(patterns.fold_case(token) if isinstance(token, str) else token for token in pattern)
            seen = patterns.fold_case(seen)
        return Match.YES if patterns.matches(pattern, seen) else Match.NO


@dataclass(frozen=True)
class ArnTest:
    """Compares with an ARN, field by field. Equals and Like are the same."""

    template: Template

    def match(self, seen: str, context: Context) -> Match:
        """Whether the value of the request matches the ARN."""
        try:
            return Match.YES if arn.matches_by_field(self.template.expand(context), seen) else Match.NO
        except (Unresolved, arn.MalformedArn):
            return Match.UNKNOWN


@dataclass(frozen=True)
class TypedTest(Generic[Seen, Wanted]):
    """Compares with a number, date, truth value, address or bytes. Policy variables cannot be used here."""

    read: Callable[[str], Seen]
    relation: Callable[[Seen, Wanted], bool]
    wanted: Wanted

    def match(self, seen: str, context: Context) -> Match:  # noqa: ARG002 - the same call for each test
        """Whether the value of the request is in the relation to the one of the policy."""
        try:
            read = self.read(seen)
        except MalformedValue:
            return Match.UNKNOWN
        return Match.YES if self.relation(read, self.wanted) else Match.NO


Compile = Callable[[str, bool], Test]
"""Makes a Test of a value, with or without policy variables. Raises MalformedValue or MalformedVariable."""


@dataclass(frozen=True)
class Operator:
    """A condition operator without its prefix and suffix; `example` is a value that it accepts."""

    name: str
    compile: Compile
    example: str
    negated: bool = False


NULL = "Null"
IF_EXISTS = "IfExists"


def variables_of(test: Test) -> Tuple[Variable, ...]:
    """The policy variables in the value of a test."""
    return test.template.variables if isinstance(test, (StringTest, ArnTest)) else ()


def _string(wildcards: bool, ignore_case: bool = False) -> Compile:
    return lambda text, has_variables: StringTest(variables.parse(text, wildcards, has_variables), ignore_case)


def _arn(text: str, has_variables: bool) -> Test:
    template = variables.parse(text, True, has_variables)
    if not template.variables:
        try:
            arn.split(text)
        except arn.MalformedArn as problem:
            raise MalformedValue(str(problem)) from None
    return ArnTest(template)


def _typed(
    read: Callable[[str], Seen], relation: Callable[[Seen, Wanted], bool], parse: Callable[[str], Wanted]
) -> Compile:
    def compile_value(text: str, has_variables: bool) -> Test:
        if has_variables and "${" in text:
            raise MalformedVariable(text)
        return TypedTest(read, relation, parse(text))

    return compile_value


def _operators() -> Dict[str, Operator]:
    found = [
        Operator("StringEquals", _string(wildcards=False), "ec2-user"),
        Operator("StringNotEquals", _string(wildcards=False), "ec2-user", negated=True),
        Operator("StringEqualsIgnoreCase", _string(wildcards=False, ignore_case=True), "ec2-user"),
        Operator("StringNotEqualsIgnoreCase", _string(wildcards=False, ignore_case=True), "ec2-user", negated=True),
        Operator("StringLike", _string(wildcards=True), "ec2-*"),
        Operator("StringNotLike", _string(wildcards=True), "ec2-*", negated=True),
        Operator("Bool", _typed(values.boolean, operator.eq, values.boolean), "true"),
        Operator("BinaryEquals", _typed(values.binary, operator.eq, values.binary), "QQ=="),
        Operator("IpAddress", _typed(values.addresses, values.within, values.network), "192.0.2.0/24"),
        Operator("NotIpAddress", _typed(values.addresses, values.within, values.network), "192.0.2.0/24", negated=True),
        Operator(NULL, _typed(values.boolean, operator.eq, values.boolean), "true"),
    ]
    for name in ("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"):
        found.append(Operator(name, _arn, "arn:aws:iam::123456789012:role/admin-*", negated="Not" in name))
    for kind, read, example in (
        ("Numeric", values.number, "22"),
        ("Date", values.seconds, "2025-01-31T12:00:00Z"),
    ):
        for suffix, relation in (
            ("Equals", operator.eq),
            ("NotEquals", operator.eq),
            ("LessThan", operator.lt),
            ("LessThanEquals", operator.le),
            ("GreaterThan", operator.gt),
            ("GreaterThanEquals", operator.ge),
        ):
            compiled = _typed(read, relation, read)
            found.append(Operator(kind + suffix, compiled, example, negated=suffix == "NotEquals"))
    return {one.name: one for one in found}


OPERATORS: Dict[str, Operator] = _operators()
