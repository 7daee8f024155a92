# SPDX-License-Identifier: Apache-2.0
"""Whether a caller may log in as a user, by the rules that need no pushed key: [users], the name, and [policy]."""

from __future__ import annotations

from typing import Callable, List, Mapping, Optional, Tuple

from ..config.access import PolicySettings
from ..config.schema import Config
from ..model import caller_pattern
from ..model.os_users import GroupsOf
from ..model.outcome import Outcome
from ..model.reasons import NotGranted
from ..model.value import Value
from ..model.verdict import Rule
from . import checks, policy
from .explanation import RuleResult, State
from .policy import Account
from .seen import of_policies, of_users


class PolicyResult(Value):
    """Whether one policy lets the caller log in, and which of its patterns mean the caller."""

    name: str
    state: State
    patterns: Tuple[str, ...]
    seen: str


class CallerExplanation(Value):
    """Whether `caller` may log in to `account`; `refusal` is why not."""

    caller: str
    account: Account
    refusal: Optional[NotGranted]
    rules: Tuple[RuleResult, ...]
    policies: Tuple[PolicyResult, ...]


def explain_caller(config: Config, caller: str, account: Account, groups_of: GroupsOf) -> CallerExplanation:
    """Check each of these rules, whatever the others led to."""
    refusals: List[NotGranted] = []

    def checked(rule: Rule, check: Callable[[], str]) -> RuleResult:
        try:
            return RuleResult(rule, State.OK, check())
        except NotGranted as refusal:
            refusals.append(refusal)
            return RuleResult(rule, _state(refusal), refusal.detail)

    def users() -> str:
        policy.require_user(account.user, config.users, groups_of)
        return of_users(config)

    def name() -> str:
        checks.require_user_name(account.user)
        return account.user

    def policies() -> str:
        return of_policies(config, policy.policies_of(caller, account, config.policy, groups_of))

    rules = (checked(Rule.USER, users), checked(Rule.USER_NAME, name), checked(Rule.POLICY, policies))
    return CallerExplanation(
        caller, account, refusals[0] if refusals else None, rules,
        tuple(_policy(one, settings, caller, account, groups_of) for one, settings in config.policy.items()),
    )  # fmt: skip


def not_explained(caller: str, account: Account, refusal: NotGranted) -> CallerExplanation:
    """The explanation where the configuration is invalid."""
    rules = tuple(RuleResult(rule, State.UNKNOWN, "not checked") for rule in (Rule.USER, Rule.USER_NAME, Rule.POLICY))
    return CallerExplanation(caller, account, refusal, rules, ())


def _policy(
    name: str, settings: PolicySettings, caller: str, account: Account, groups_of: GroupsOf
) -> PolicyResult:  # fmt: skip
    only: Mapping[str, PolicySettings] = {name: settings}
    try:
        parsed = caller_pattern.parse_caller(caller)
        patterns = tuple(one.text for one in settings.callers if one.matches(parsed, account.user))
        policy.policies_of(caller, account, only, groups_of)
    except caller_pattern.MalformedCaller as malformed:
        return PolicyResult(name, State.PROBLEM, (), str(malformed))
    except NotGranted as refusal:
        if not patterns:
            return PolicyResult(name, State.PROBLEM, (), "callers does not have the caller")
        if _state(refusal) is State.UNKNOWN:
            return PolicyResult(name, State.UNKNOWN, patterns, refusal.detail)
        return PolicyResult(name, State.PROBLEM, patterns, _why_not_the_user(account))
    return PolicyResult(name, State.OK, patterns, "callers has the caller, os_users has the user")


def _why_not_the_user(account: Account) -> str:
    if not account.is_system:
        return "callers has the caller, os_users does not have the user"
    kind = (
        "an account whose uid is not known counts as root"
        if account.uid is None
        else f"uid {account.uid} is root's or a system account's"
    )
    return (
        f"callers has the caller, but {kind}: os_users must have it by its name, and a pattern without "
        f"{caller_pattern.OS_USER} must mean the caller"
    )


def _state(refusal: NotGranted) -> State:
    return State.UNKNOWN if refusal.reason.outcome is Outcome.ERROR else State.PROBLEM
