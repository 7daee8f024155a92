# SPDX-License-Identifier: Apache-2.0
"""The AuthorizedKeysCommand that is in force, and the one that would be without us."""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional, Tuple

from ..host.plain_files import read
from .config_file import COMMAND, COMMAND_USER, Line, outside
from .drop_in import is_ours, replaced_in
from .site import Site


class OwnCommand(NamedTuple):
    """The site's own AuthorizedKeysCommand, `none` among them: the user it runs as, and where it stands, FILE:LINE."""

    command: str
    user: str
    place: str

    @property
    def is_none(self) -> bool:
        """Whether it runs nothing (to sshd it is a command like any other, whose path is wrong)."""
        return self.command.lower() == "none"

    def __str__(self) -> str:
        return f"{self.command} ({self.place})"


def in_force(site: Site) -> Tuple[str, str]:
    """The command and its user where no Match line but `Match all` counts; `none` where there is none."""
    effective = site.sshd.effective_or_nothing()
    return _in_force(site, COMMAND, effective), _in_force(site, COMMAND_USER, effective)


def _in_force(site: Site, keyword: str, effective: Dict[str, str]) -> str:
    """sshd's word counts, unless there is none, or a line that we know of has set it."""
    lines = site.sshd_config().lines(keyword)
    line = outside(lines)
    found = "none" if line is None else _value(line)
    said = effective.get(keyword, found)
    return found if any(said == _value(one) for one in lines) else said


def _value(line: Line) -> str:
    """As sshd -T has it."""
    return line.value if line.keyword == COMMAND else line.word


def own_command(site: Site, command: str, user: str) -> Optional[OwnCommand]:
    """The site's own command, None if it has none: what would be in force without us.

    `command` and `user` are what is in force now.
    """
    line, own_user = outside(site.commands()), outside(site.users())
    if is_ours(command):
        return line and OwnCommand(line.value, own_user.word if own_user else "none", line.place)
    if command.lower() == "none" and line is None:
        return None
    return OwnCommand(command, user, line.place if line and line.value == command else site.sshd.config)


def by_hand(site: Site) -> Optional[Line]:
    """The line, not of ours, by which sshd asks us already; None if that is not so."""
    line = outside(site.sshd_config().lines(COMMAND))
    return line if line and is_ours(line.value) and line.file not in site.our_drop_ins else None


def replaced(site: Site) -> Optional[str]:
    """The site's command that `enable --replace` put ours in front of; None if there is none."""
    found = (replaced_in(read(path) or "") for path in site.our_drop_ins)
    return next((command for command in found if command is not None), None)
