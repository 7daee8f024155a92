# SPDX-License-Identifier: Apache-2.0
"""The directory: who has which name and which access key."""

from __future__ import annotations

import pytest

from eic_sandbox.cloud.directory import Directory, UnknownName
from eic_sandbox.cloud.principals import Account, Credentials, Role, Session, User
from eic_sandbox.iam.policy import parse_trust

ACCOUNT, OTHER = Account("123456789012"), Account("210987654321", "aws-cn")
TRUST = parse_trust({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}, "trust")


@pytest.fixture
def directory() -> Directory:
    made = Directory()
    made.users += [
        User(ACCOUNT, "alice", "AIDA1", path="/staff/"),
        User(OTHER, "alice", "AIDA2"),
        User(ACCOUNT, "bob", "3"),
    ]
    made.roles += [Role(ACCOUNT, "Operators", "AROA1", TRUST, path="/ops/")]
    return made


def session(directory: Directory, name: str = "carol", issued: float = 0.0) -> Session:
    return Session(directory.roles[0], name, issued, issued + 3600)


@pytest.mark.parametrize(
    ("name", "arn"),
    [
        ("bob", "arn:aws:iam::123456789012:user/bob"),
        ("123456789012/alice", "arn:aws:iam::123456789012:user/staff/alice"),
        ("210987654321/alice", "arn:aws-cn:iam::210987654321:user/alice"),
        ("arn:aws:iam::123456789012:user/staff/alice", "arn:aws:iam::123456789012:user/staff/alice"),
        ("Operators", "arn:aws:iam::123456789012:role/ops/Operators"),
        ("Operators/carol", "arn:aws:sts::123456789012:assumed-role/Operators/carol"),
        ("123456789012/Operators/carol", "arn:aws:sts::123456789012:assumed-role/Operators/carol"),
        (
            "arn:aws:sts::123456789012:assumed-role/Operators/carol",
            "arn:aws:sts::123456789012:assumed-role/Operators/carol",
        ),
    ],
)
def test_a_name_with_or_without_its_account_and_an_arn_find_the_same(directory: Directory, name: str, arn: str) -> None:
    directory.begin_session(session(directory))
    assert directory.find(name).arn == arn


@pytest.mark.parametrize(
    "name",
    ["alice", "Alice", "BOB", "staff/alice", "user/bob", "Operators/dave", "123456789012/", "", "*", "arn:aws:iam::"],
)
def test_a_name_that_is_not_whole_or_not_unique_finds_nobody(directory: Directory, name: str) -> None:
    with pytest.raises(UnknownName):
        directory.find(name)


def test_of_sessions_with_one_name_the_newest_is_found(directory: Directory) -> None:
    for issued in (1.0, 2.0):
        newest = directory.begin_session(session(directory, issued=issued))
    found = directory.principal("Operators/carol")
    assert isinstance(found, Session)
    assert found.issued == 2.0
    assert directory.credentials_of(found) is newest


def test_the_newest_of_the_access_keys_of_a_user_is_used(directory: Directory) -> None:
    bob = directory.users[2]
    for key in ("AKIA1", "AKIA2"):
        directory.add(Credentials(key, "secret", bob))
    assert directory.credentials_of(bob).access_key_id == "AKIA2"


def test_a_session_has_an_access_key_a_secret_and_a_token_of_its_own(directory: Directory) -> None:
    made = [directory.begin_session(session(directory)) for _ in range(2)]
    assert (
        len({one.access_key_id for one in made})
        == len({one.secret for one in made})
        == len({one.token for one in made})
    )
    assert all(one.access_key_id.startswith("ASIA") and len(one.access_key_id) == 20 for one in made)
    assert [directory.credentials(one.access_key_id) for one in made] == made


def test_the_oldest_of_very_many_sessions_is_dropped_and_no_access_key_of_the_world(directory: Directory) -> None:
    directory.add(Credentials("AKIA1", "secret", directory.users[2]))
    directory.add(Credentials("ASIA1", "secret", session(directory, "dave"), "token"))
    first = directory.begin_session(session(directory))
    for _ in range(5000):
        directory.begin_session(session(directory))
    assert directory.credentials(first.access_key_id) is None
    assert directory.credentials("AKIA1")
    assert directory.credentials("ASIA1")
    assert len(directory.sessions()) == 5001


def test_a_role_is_found_by_its_arn_only(directory: Directory) -> None:
    assert directory.role("arn:aws:iam::123456789012:role/ops/Operators") is directory.roles[0]
    assert directory.role("arn:aws:iam::123456789012:role/Operators") is None


def test_a_directory_without_users_has_no_first_user() -> None:
    with pytest.raises(UnknownName, match=r"^the world has no user\. Name a session: ROLE/SESSION\.$"):
        Directory().first_user()
