# SPDX-License-Identifier: Apache-2.0
"""The AuthorizedKeysCommand, its user, and what follows from them."""

from __future__ import annotations

import pwd
from pathlib import Path

from eic_sshd.sshd.commands import record_writers
from eic_sshd.sshd.processes import Processes
from eic_sshd.sshd.program import Sshd
from eic_sshd.sshd.site import Site


def test_user_of_the_command_in_each_match_block_may_write_records(tmp_path: Path) -> None:
    *users, other = [entry.pw_name for entry in pwd.getpwall() if entry.pw_uid][:4]
    uids = [pwd.getpwnam(name).pw_uid for name in users]
    config = tmp_path / "sshd_config"
    config.write_text(
        f"AuthorizedKeysCommandUser {users[0]}\n"
        f"Match User alice\n AuthorizedKeysCommandUser {users[1]}\n"
        f"Match User bob\n AuthorizedKeysCommandUser {users[2]}\n"
        "Match User carol\n AuthorizedKeysCommandUser no-such-user\n"
        "Match User dave\n AuthorizedKeysCommandUser %u\n"
        f"Match User git\n AuthorizedKeysCommand /usr/bin/git-keys\n AuthorizedKeysCommandUser {other}\n"
    )
    site = Site(Sshd(str(tmp_path / "none"), str(config)), Processes())
    assert record_writers(site) >= {0, *uids}
    assert pwd.getpwnam(other).pw_uid not in record_writers(site)
