# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from eic_sshd.host import accounts


def test_user_is_named_by_its_uid() -> None:
    assert accounts.name_of(0) == "root"
    assert accounts.name_of(2**31 - 7) == str(2**31 - 7)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another user's rights")
def test_rights_of_another_user_are_those_of_the_context_only() -> None:
    before = (os.geteuid(), os.getegid(), os.getgroups())
    with accounts.acting_as("no-such-user-here"):
        assert (os.geteuid(), os.getegid(), os.getgroups()) == before
    try:
        with accounts.acting_as("nobody"):
            assert accounts.name_of(os.geteuid()) in ("nobody", "root")  # root's in a namespace without other users
            raise KeyError
    except KeyError:
        pass
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before
