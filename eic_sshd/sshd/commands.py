# SPDX-License-Identifier: Apache-2.0
"""The effective AuthorizedKeysCommand, and the site's own, which would be effective without our lines."""

from __future__ import annotations

from typing import Dict, FrozenSet, NamedTuple, Optional, Tuple

from ..host.accounts import uid_of
from ..host.plain_files import read
from ..paths import ACCOUNT
from .config_file import COMMAND, COMMAND_USER, Line, in_same_block, outside
from .drop_in import is_ours, replaced_command
from .site import Site


class SiteCommand(NamedTuple):
    """The site's own AuthorizedKeysCommand, which may be `none`: the user it runs as, and its place, FILE:LINE."""

    command: str
    user: str
    place: str

    @property
    def is_none(self) -> bool:
        """Whether it is `none`: to sshd a command like any other, whose path is wrong."""
        return self.command.lower() == "none"


def in_force(site: Site) -> Tuple[str, str]:
    """The command and its user outside of Match blocks (`Match all` counts as outside); `none` where there is none."""
    effective = site.sshd.effective_or_nothing()
    return _in_force(site, COMMAND, effective), _in_force(site, COMMAND_USER, effective)


def record_writers(site: Site) -> FrozenSet[int]:
    """The uids that may write eic-sshd's records: root's, eic-sshd's, and each AuthorizedKeysCommandUser's.

    Those of Match blocks, and of lines that are not in force now, are among them: records may be old. The user of a
    Match block with another command is not: eic-sshd never runs as that user.
    """
    files = site.sshd_config()
    others = [line for line in files.lines(COMMAND) if not line.is_unconditional and not is_ours(line.value)]
    lines = [line for line in files.lines(COMMAND_USER) if not in_same_block(line, others)]
    names = {ACCOUNT, in_force(site)[1], *(line.word for line in lines)}
    return frozenset({0, *(uid for uid in map(uid_of, names) if uid is not None)})


def _in_force(site: Site, keyword: str, effective: Dict[str, str]) -> str:
    """What sshd prints counts, unless it prints nothing, or the value of a line within a Match block."""
    lines = site.sshd_config().lines(keyword)
    line = outside(lines)
    value = "none" if line is None else _value(line)
    printed = effective.get(keyword, value)
    return value if any(printed == _value(one) for one in lines) else printed


def _value(line: Line) -> str:
    """As `sshd -T` prints it."""
    return line.value if line.keyword == COMMAND else line.word


def site_command(site: Site, command: str, user: str) -> Optional[SiteCommand]:
    """The site's own command; None if it has none. `command` and `user` are the effective ones."""
    line, user_line = outside(site.foreign_commands()), outside(site.foreign_users())
    if is_ours(command):
        return line and SiteCommand(line.value, user_line.word if user_line else "none", line.place)
    if command.lower() == "none" and line is None:
        return None
    return SiteCommand(command, user, line.place if line and line.value == command else site.sshd.config)


def line_by_hand(site: Site) -> Optional[Line]:
    """The line outside of our drop-ins by which sshd runs eic-sshd; None if there is none, or it is not in force."""
    line = outside(site.sshd_config().lines(COMMAND))
    return line if line and is_ours(line.value) and line.file not in site.our_drop_ins else None


def replaced(site: Site) -> Optional[str]:
    """The site's command that `enable --replace` replaced; None if there is none."""
    found = (replaced_command(read(path) or "") for path in site.our_drop_ins)
    return next((command for command in found if command is not None), None)
