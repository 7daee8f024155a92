# SPDX-License-Identifier: Apache-2.0
"""Which groups a user is in: by a real lookup, and how results are kept and bounded."""

from __future__ import annotations

import grp
import os
import pwd
import threading
from typing import List, Sequence

import pytest

from eic_sshd.host.groups import Groups, ask_in_a_process
from eic_sshd.model.os_users import Memberships
from testbed import waiting

PATIENT = 60.0


def test_lookup_finds_primary_and_other_groups_of_a_real_user() -> None:
    own = pwd.getpwuid(os.geteuid())
    primary = grp.getgrgid(own.pw_gid).gr_name
    others = {entry.gr_gid: entry.gr_name for entry in grp.getgrall()}
    gids = set(os.getgrouplist(own.pw_name, own.pw_gid))
    foreign = next(name for gid, name in others.items() if gid not in gids)
    assert ask_in_a_process(own.pw_name, [primary, foreign, "no-such-group"], PATIENT) == "10?"


def test_lookup_of_an_unknown_user_fails() -> None:
    with pytest.raises(OSError, match="non-zero exit status"):
        ask_in_a_process("no-such-user", ["root"], PATIENT)


def test_lookup_that_takes_too_long_fails() -> None:
    with pytest.raises(OSError, match="timed out"):
        ask_in_a_process("root", ["root"], 0.0001)


def test_name_with_a_null_character_fails() -> None:
    with pytest.raises(OSError, match="null"):
        ask_in_a_process("ro\0ot", ["root"], PATIENT)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("10", Memberships(frozenset({"a"}), frozenset())),
        ("?1", Memberships(frozenset({"b"}), frozenset({"a"}))),
        ("00", Memberships()),
        ("", Memberships(unknown=frozenset({"a", "b"}))),
        ("1", Memberships(unknown=frozenset({"a", "b"}))),
        ("111", Memberships(unknown=frozenset({"a", "b"}))),
        ("x1", Memberships(frozenset({"b"}), frozenset({"a"}))),
    ],
)
def test_only_a_whole_answer_counts(printed: str, expected: Memberships) -> None:
    assert Groups(lambda *_: printed).of("user", ["a", "b"]) == expected


@pytest.mark.parametrize("error", [OSError("no"), RuntimeError("no"), ImportError("no")])
def test_lookup_that_fails_leaves_all_groups_unknown(error: Exception) -> None:
    def ask(*_: object) -> str:
        raise error

    assert Groups(ask).of("user", ["a"]) == Memberships(unknown=frozenset({"a"}))


class Asking:
    """Answers "1" for each group; counts the lookups."""

    def __init__(self, printed: str = "1") -> None:
        self.printed = printed
        self.users: List[str] = []

    def __call__(self, user: str, groups: Sequence[str], seconds: float) -> str:
        self.users.append(user)
        return self.printed * len(groups)


def test_result_is_kept_for_a_minute_for_its_user_and_groups() -> None:
    now = [100.0]
    asking = Asking()
    groups = Groups(asking, lambda: now[0])
    member = Memberships(frozenset({"a"}))
    assert groups.cached("user", ["a"]) == Memberships(unknown=frozenset({"a"}))
    assert groups.of("user", ["a"]) == member
    now[0] += 59.9
    assert groups.of("user", ["a"]) == groups.cached("user", ["a"]) == member
    assert asking.users == ["user"]
    assert groups.cached("other", ["a"]).unknown
    assert groups.cached("user", ["b"]).unknown
    now[0] += 0.1
    assert groups.cached("user", ["a"]).unknown
    groups.of("user", ["a"])
    assert asking.users == ["user", "user"]


def test_unknown_group_is_looked_up_again_after_a_second() -> None:
    now = [100.0]
    asking = Asking("?")
    groups = Groups(asking, lambda: now[0])
    for ahead in (0.0, 0.9, 0.1):
        now[0] += ahead
        assert groups.of("user", ["a"]).unknown
    assert len(asking.users) == 2


@pytest.mark.parametrize(("seconds", "lookups"), [(0.5, 1), (0.4, 20)])
def test_directory_that_does_not_answer_in_time_is_not_asked_for_each_list_of_groups(
    seconds: float, lookups: int
) -> None:
    now = [100.0]
    asked: List[str] = []

    def ask(user: str, groups: Sequence[str], limit: float) -> str:
        asked.append(user)
        now[0] += seconds
        raise OSError("no directory")

    groups = Groups(ask, lambda: now[0])
    for number in range(20):
        assert groups.of("user", [f"group{number}"]).unknown
    assert len(asked) == lookups
    assert groups.of("other", ["a"]).unknown
    assert asked[lookups:] == ["other"]
    now[0] += 1.0
    assert groups.of("user", ["group0"]).unknown
    assert asked[lookups:] == ["other", "user"]


def test_slow_directory_that_answers_is_asked_again() -> None:
    now = [100.0]
    asking = Asking()

    def ask(user: str, groups: Sequence[str], seconds: float) -> str:
        now[0] += 0.6
        return asking(user, groups, seconds)

    groups = Groups(ask, lambda: now[0])
    assert groups.of("user", ["a"]).member
    assert groups.of("user", ["b"]).member


def test_results_are_bounded_and_ended_ones_make_room() -> None:
    now = [0.0]
    groups = Groups(Asking(), lambda: now[0])
    for number in range(1100):
        groups.of(f"user{number}", ["a"])
    assert groups.cached("user1023", ["a"]).member
    assert groups.cached("user1024", ["a"]).unknown
    now[0] += 60
    groups.of("late", ["a"])
    assert groups.cached("late", ["a"]).member


def test_at_most_four_lookups_are_under_way() -> None:
    running, most = [0], [0]
    lock, leave = threading.Lock(), threading.Event()

    def ask(user: str, groups: Sequence[str], seconds: float) -> str:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        leave.wait(PATIENT)
        with lock:
            running[0] -= 1
        return "1"

    groups = Groups(ask)
    found: List[Memberships] = []
    threads = [threading.Thread(target=lambda at=at: found.append(groups.of(f"user{at}", ["a"]))) for at in range(7)]
    for thread in threads:
        thread.start()
    waiting.until(lambda: len(found) == 3, "those without a turn give up")
    leave.set()
    for thread in threads:
        thread.join(PATIENT)
    assert most == [4]
    assert sum(bool(one.member) for one in found) == 4


@pytest.mark.parametrize(("waited", "left"), [(0.0, 0.5), (0.3, 0.2), (0.5, 0.01), (9.0, 0.01)])
def test_lookup_and_the_wait_for_its_turn_get_half_a_second(waited: float, left: float) -> None:
    given: List[float] = []
    times = [7.0, 7.0 + waited]

    def ask(user: str, groups: Sequence[str], seconds: float) -> str:
        given.append(seconds)
        return "1"

    Groups(ask, lambda: times.pop(0) if len(times) > 1 else times[0]).of("user", ["a"])
    assert given == [pytest.approx(left)]
