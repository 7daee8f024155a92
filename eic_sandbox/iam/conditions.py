# SPDX-License-Identifier: Apache-2.0
"""One key of a Condition element, and whether it holds for a request.

IAM User Guide, "IAM JSON policy elements: Condition operators", "Conditions with multiple context keys or values" and
"Single-valued vs. multivalued context keys".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Tuple

from .operators import NULL, Match, Operator, Test, TypedTest
from .patterns import ascii_lower
from .request import Context


class Quantifier(Enum):
    """How many of the key's values in the request must satisfy the operator."""

    UNSET = ""
    ANY = "ForAnyValue"
    ALL = "ForAllValues"


@dataclass(frozen=True)
class Condition:
    """A key with its operator and the values of the policy; `key` as the policy spells it."""

    operator: Operator
    quantifier: Quantifier
    if_exists: bool
    key: str
    tests: Tuple[Test, ...]

    def holds(self, context: Context, in_doubt: bool) -> bool:
        """Whether the condition holds; `in_doubt` is the result where the IAM User Guide leaves it open.

        In doubt are: a negated comparison with a value of another type, or with a variable that has no value; and a
        key with several values without a quantifier, of which some satisfy the operator and some do not.
        """
        seen = context.get(ascii_lower(self.key), ())
        if self.operator.name == NULL:
            return any(isinstance(test, TypedTest) and test.wanted is (not seen) for test in self.tests)
        if not seen:
            return self.if_exists or self._holds_for_nothing()
        if self.quantifier is not Quantifier.UNSET and not any(seen):
            return self._holds_for_nothing()  # only empty texts: a null data set
        satisfied = [self._satisfied_by(value, context, in_doubt) for value in seen]
        if self.quantifier is Quantifier.ALL:
            return all(satisfied)
        if self.quantifier is Quantifier.ANY:
            return any(satisfied)
        return any(satisfied) if in_doubt else all(satisfied)

    def _holds_for_nothing(self) -> bool:
        if self.quantifier is Quantifier.UNSET:
            return self.operator.negated
        return self.quantifier is Quantifier.ALL

    def _satisfied_by(self, value: str, context: Context, in_doubt: bool) -> bool:
        """Whether one value of the request equals one of the policy's; with a negated operator, none of them."""
        found = {test.match(value, context) for test in self.tests}
        if not self.operator.negated:
            return Match.YES in found
        if Match.YES in found:
            return False
        return in_doubt if Match.UNKNOWN in found else True
