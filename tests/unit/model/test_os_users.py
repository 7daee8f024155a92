# SPDX-License-Identifier: Apache-2.0
"""Lists of OS users."""

from __future__ import annotations

from typing import Tuple

import pytest

from eic_sshd.config.values import os_users, words
from eic_sshd.model.os_users import OsUsers, of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", OsUsers()),
        ("root", OsUsers(("root",))),
        ("a  b\n\tc a", OsUsers(("a", "b", "c"))),
        ("* a? @g", OsUsers((), ("*", "a?"), ("g",))),
        ("*", OsUsers((), ("*",), ())),
        ("a" * 256, OsUsers(("a" * 256,))),
        ('"@domain users" "a b"', OsUsers(("a b",), (), ("domain users",))),
        ("user@example.com @g@example.com", OsUsers(("user@example.com",), (), ("g@example.com",))),
        ("CORP\\alice svc$ a#b @g's", OsUsers(("CORP\\alice", "svc$", "a#b"), (), ("g's",))),
    ],
)
def test_list_has_names_wildcards_and_groups(text: str, expected: OsUsers) -> None:
    assert os_users(text) == expected
    assert bool(expected) is bool(text)
    assert os_users(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    ["@", "@g*", "@?", "a" * 257, "a\x7f", "root,admin", "=", "allow=", "[users]", "#", "#bob", "@#g", "${os_user}"],
)
def test_word_that_is_no_user_or_group_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="in place of"):
        of([text])


@pytest.mark.parametrize("text", ['"', '"a', 'a"b"', '"a"b', '""', 'a "" b', 'a"'])
def test_quotes_stand_around_whole_words(text: str) -> None:
    with pytest.raises(ValueError, match="double quotes"):
        words(text)


@pytest.mark.parametrize(
    ("user", "named", "matched"),
    [("root", True, True), ("app-1", False, True), ("app-", False, False), ("Root", False, False), ("g", False, False)],
)
def test_user_is_in_a_list_by_name_or_by_wildcard(user: str, named: bool, matched: bool) -> None:
    users = of(["root", "app-*", "@g"])
    assert (users.is_named(user), users.is_matched(user)) == (named, matched)


def test_words_are_separated_by_blanks_and_line_ends() -> None:
    expected: Tuple[str, ...] = ("a", "b c", "d")
    assert tuple(words(' a\t"b c"\n  d ')) == expected
