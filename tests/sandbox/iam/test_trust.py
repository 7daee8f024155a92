# SPDX-License-Identifier: Apache-2.0
"""Trust policies of roles: who may assume a role, and who needs an identity-based policy as well."""

from __future__ import annotations

from typing import Dict, List, Union

import pytest

from eic_sandbox.iam.evaluate import TrustVerdict, evaluate, evaluate_trust
from eic_sandbox.iam.policy import Policy, parse, parse_trust
from eic_sandbox.iam.request import Principal, Request

ACCOUNT, OTHER = "123456789012", "210987654321"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/admin"
USER = Principal(f"arn:aws:iam::{ACCOUNT}:user/team/bob", ACCOUNT)
SESSION = Principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/run-7", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:role/service/ci")
FOREIGN = Principal(f"arn:aws:iam::{OTHER}:user/bob", OTHER)

Statement = Dict[str, object]


def statement(principal: object, effect: str = "Allow", **more: object) -> Statement:
    return {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole", **more}


def trust(*statements: Statement) -> Policy:
    return parse_trust({"Version": "2012-10-17", "Statement": list(statements)}, "admin")


def decide(policy: Policy, principal: Principal, **context: str) -> TrustVerdict:
    keys = {name.replace("_", ":"): (value,) for name, value in context.items()}
    return evaluate_trust(policy, principal, Request("sts:AssumeRole", ROLE, keys))


ITSELF, ACCOUNT_ONLY, NOBODY = "by name", "by account", "not"


def outcome(verdict: TrustVerdict) -> str:
    if not verdict.allowed:
        return NOBODY
    return ACCOUNT_ONLY if verdict.needs_identity_policy else ITSELF


@pytest.mark.parametrize(
    ("named", "principal", "expected"),
    [
        (USER.arn, USER, ITSELF),
        ([f"{USER.arn}by", USER.arn], USER, ITSELF),
        (f"{USER.arn}by", USER, NOBODY),
        (USER.arn.replace("bob", "Bob"), USER, NOBODY),
        (USER.arn.replace("team/", ""), USER, NOBODY),
        (USER.arn.replace(ACCOUNT, OTHER), USER, NOBODY),
        (USER.arn.replace("aws", "aws-cn"), USER, NOBODY),
        (USER.arn.replace("user/team", "role"), USER, NOBODY),
        (ACCOUNT, USER, ACCOUNT_ONLY),
        (f"arn:aws:iam::{ACCOUNT}:root", USER, ACCOUNT_ONLY),
        (OTHER, USER, NOBODY),
        (f"arn:aws:iam::{OTHER}:root", USER, NOBODY),
        ("*", USER, ACCOUNT_ONLY),
        ([ACCOUNT, USER.arn], USER, ITSELF),
        (SESSION.arn, SESSION, ITSELF),
        (SESSION.role_arn, SESSION, ITSELF),
        (f"{SESSION.arn}7", SESSION, NOBODY),
        (f"arn:aws:iam::{ACCOUNT}:role/ci", SESSION, NOBODY),
        (ACCOUNT, SESSION, ACCOUNT_ONLY),
        (USER.arn, SESSION, NOBODY),
        (FOREIGN.arn, FOREIGN, ACCOUNT_ONLY),
        (OTHER, FOREIGN, ACCOUNT_ONLY),
        ("*", FOREIGN, ACCOUNT_ONLY),
        (ACCOUNT, FOREIGN, NOBODY),
    ],
)
def test_trust_policy_names_the_principal(named: Union[str, List[str]], principal: Principal, expected: str) -> None:
    verdict = decide(trust(statement({"AWS": named})), principal)
    assert outcome(verdict) == expected
    assert verdict.statement == (None if expected == NOBODY else "statement 1")
    assert not verdict.explicit_deny


def test_everyone_without_a_type_is_everyone() -> None:
    assert outcome(decide(trust(statement("*")), USER)) == ACCOUNT_ONLY


@pytest.mark.parametrize("named", [{"Service": "ec2.amazonaws.com"}, {"Federated": ["accounts.google.com"]}])
def test_services_and_identity_providers_are_no_principal_of_the_sandbox(named: Dict[str, object]) -> None:
    assert outcome(decide(trust(statement(named)), USER)) == NOBODY
    assert outcome(decide(trust(statement({**named, "AWS": USER.arn})), USER)) == ITSELF


@pytest.mark.parametrize("named", [USER.arn, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", "*"])
def test_explicit_deny_of_a_trust_policy_wins(named: str) -> None:
    allow, deny = statement({"AWS": USER.arn}), statement({"AWS": named}, "Deny", Sid="No")
    for policy in (trust(allow, deny), trust(deny, allow)):
        assert decide(policy, USER) == TrustVerdict(False, True, True, "No")


def test_principal_that_no_statement_names_is_not_allowed_and_would_need_an_identity_based_policy() -> None:
    assert decide(trust(statement({"AWS": USER.arn})), FOREIGN) == TrustVerdict(False, False, True, None)


def test_deny_of_another_principal_does_not_count() -> None:
    policy = trust(statement({"AWS": USER.arn}), statement({"AWS": SESSION.arn}, "Deny"))
    assert outcome(decide(policy, USER)) == ITSELF


def test_name_counts_more_than_the_account_in_any_order() -> None:
    by_account, by_name = statement({"AWS": ACCOUNT}, Sid="Account"), statement({"AWS": USER.arn}, Sid="Name")
    for policy in (trust(by_account, by_name), trust(by_name, by_account)):
        assert decide(policy, USER) == TrustVerdict(True, False, False, "Name")


def test_first_of_two_statements_that_allow_alike_is_named() -> None:
    policy = trust(statement({"AWS": USER.arn}, Sid="First"), statement({"AWS": USER.arn}, Sid="Second"))
    assert decide(policy, USER).statement == "First"


def test_name_in_a_statement_whose_condition_does_not_hold_does_not_count() -> None:
    condition = {"StringEquals": {"sts:RoleSessionName": "${aws:username}"}}
    policy = trust(statement({"AWS": ACCOUNT}), statement({"AWS": USER.arn}, Condition=condition))
    assert outcome(decide(policy, USER)) == ACCOUNT_ONLY
    assert outcome(decide(policy, USER, sts_RoleSessionName="bob", aws_username="al")) == ACCOUNT_ONLY
    assert outcome(decide(policy, USER, sts_RoleSessionName="bob", aws_username="bob")) == ITSELF


def test_trust_policy_allows_only_its_actions() -> None:
    policy = trust(statement({"AWS": USER.arn}, Action=["sts:TagSession", "STS:assumeroleWith*"]))
    assert not evaluate_trust(policy, USER, Request("sts:AssumeRole", ROLE)).allowed
    assert evaluate_trust(policy, USER, Request("sts:AssumeRoleWithSAML", ROLE)).allowed


def test_trust_policy_and_identity_based_policy_are_not_exchanged() -> None:
    identity = parse({"Statement": {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}}, "reader")
    with pytest.raises(ValueError, match="admin: a trust policy is not an identity-based policy"):
        evaluate([trust(statement("*"))], Request("sts:AssumeRole", ROLE))
    with pytest.raises(ValueError, match="reader: not a trust policy"):
        evaluate_trust(identity, USER, Request("sts:AssumeRole", ROLE))


def test_trust_policy_may_have_an_id_and_an_empty_sid() -> None:
    document = {"Id": "x y", "Statement": [statement("*", Sid=""), statement({"AWS": OTHER}, Sid="")]}
    assert [one.label for one in parse_trust(document, "admin").statements] == ["statement 1", "statement 2"]


@pytest.mark.parametrize(
    "key",
    [
        "token.actions.githubusercontent.com:sub",
        "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:aud",
        "cognito-identity.amazonaws.com:amr",
        "saml:edupersonorgdn",
    ],
)
def test_a_role_for_an_identity_provider_has_conditions_by_its_keys(key: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringLike": {key: "repo:example/*"}},
    }
    assert parse_trust({"Version": "2012-10-17", "Statement": statement}, "trust").condition_keys == (key,)
