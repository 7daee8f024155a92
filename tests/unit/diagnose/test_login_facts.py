# SPDX-License-Identifier: Apache-2.0
"""The facts of an account that decide about a login."""

from __future__ import annotations

from pathlib import Path

import pytest

from eic_sshd.diagnose.login_facts import account

TODAY = 20000


def shadow(root: Path, line: str) -> Path:
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/shadow").write_text(f"daemon:*:1::::::\n{line}\n")
    return root


def test_an_account_has_its_uid_and_groups(tmp_path: Path) -> None:
    found = account("root", TODAY, str(tmp_path))
    assert found is not None
    assert (found.uid, "root" in found.groups, found.shell_problem) == (0, True, "")


@pytest.mark.parametrize("user", ["no-such-user", "", "a\0b"])
def test_a_user_that_does_not_exist_is_none(user: str, tmp_path: Path) -> None:
    assert account(user, TODAY, str(tmp_path)) is None


@pytest.mark.parametrize(
    ("line", "expires", "must_change", "is_locked"),
    [
        ("root:*:19000:0:99999:7:::", None, False, False),
        ("root:!:19000:0:99999:7::19999:", 19999, False, True),
        ("root:$6$x$y:0:0:99999:7:::", None, True, False),
        ("root:$6$x$y:19000:0:90:7:::", None, True, False),
        ("root:$6$x$y:19990:0:90:7:::", None, False, False),
        ("root:$6$x$y:19000:0:-1:7:::", None, False, False),
        ("root:*", None, False, False),
        ("root:*:x:y:z:::w:", None, False, False),
    ],
)
def test_fields_of_shadow(tmp_path: Path, line: str, expires: int, must_change: bool, is_locked: bool) -> None:
    found = account("root", TODAY, str(shadow(tmp_path, line)))
    assert found is not None
    assert (found.expires, found.must_change, found.is_locked) == (expires, must_change, is_locked)
    assert "$6$" not in repr(found)


@pytest.mark.parametrize(
    ("line", "is_inactive"),
    [
        # As `unix_chkpwd USER chkexpiry` of Debian 12 answers: 12 (a new password) up to 7 days, then 27 (refused).
        ("root:*:19993:0:5:7:2::", False),
        ("root:*:19992:0:5:7:2::", True),
        ("root:*:19990:0:5:7:2::", True),
        ("root:*:19990:0:5:7:::", False),
        ("root:*:19990:0:5:7:-1::", False),
        ("root:*:19990:0::7:0::", False),
        ("root:*:19990:0:10:7:0::", False),
        ("root:*:19989:0:10:7:0::", True),
        ("root:*:0:0:5:7:0::", False),
        ("root:*:19000:0", False),
    ],
)
def test_password_is_inactive_after_the_period_that_shadow_has(tmp_path: Path, line: str, is_inactive: bool) -> None:
    found = account("root", TODAY, str(shadow(tmp_path, line)))
    assert found is not None
    assert found.is_inactive is is_inactive


def test_without_the_right_to_read_shadow_its_fields_have_their_defaults(tmp_path: Path) -> None:
    found = account("root", TODAY, str(tmp_path))
    assert found is not None
    assert (found.expires, found.must_change, found.is_locked) == (None, False, False)
