# SPDX-License-Identifier: Apache-2.0
"""The machine that eic-sshd is enabled on: where its files are, and what stands in them."""

from __future__ import annotations

import os
import pwd
from typing import List, NamedTuple, Optional

from . import Refused, sshd_config
from .changes import Say
from .sshd import Sshd
from .sshd_config import Line
from .units import Units

FRONT_DOOR = "/usr/lib/eic-sshd/authorized-keys"
USER = "eic-sshd"
COMMAND, COMMAND_USER = "authorizedkeyscommand", "authorizedkeyscommanduser"


class Site(NamedTuple):
    """A machine. `say` tells its administrator what is done."""

    sshd: Sshd
    units: Units
    say: Say
    dry_run: bool
    sshd_drop_ins: str = "/etc/ssh/sshd_config.d"
    our_config: str = "/etc/eic-sshd/eic-sshd.conf"
    socket_drop_in: str = "/etc/systemd/system/eic-sshd.socket.d/60-chain.conf"
    front_door: str = FRONT_DOOR

    @property
    def drop_in(self) -> str:
        """What has sshd ask us."""
        return os.path.join(self.sshd_drop_ins, "60-eic-sshd.conf")

    @property
    def early_drop_in(self) -> str:
        """The same, where a drop-in of the site's would come before that one and is to be chained."""
        return os.path.join(self.sshd_drop_ins, "00-eic-sshd.conf")

    @property
    def chain_config(self) -> str:
        return os.path.join(os.path.dirname(self.our_config), "conf.d", "60-chain.conf")

    @property
    def our_drop_ins(self) -> List[str]:
        return [self.drop_in, self.early_drop_in]

    def require_installed(self) -> None:
        """What sshd is to run, and the user that it is to run it as, must be there before it is told of them."""
        if not os.access(self.front_door, os.X_OK):
            raise Refused(f"there is no {self.front_door}: install the package, or run `make install`")
        try:
            pwd.getpwnam(USER)
        except KeyError:
            raise Refused(f"there is no user {USER}: run `systemd-sysusers`") from None

    def commands(self) -> List[Line]:
        """Every AuthorizedKeysCommand line that names a command, ours too, in the order that sshd reads them."""
        return [line for line in self._lines(COMMAND) if line.value.lower() != "none"]

    def others(self) -> List[Line]:
        """Those of them that are not ours."""
        return [line for line in self.commands() if not is_ours(line.value)]

    def first(self, keyword: str) -> Optional[Line]:
        """The first line of the site's own, outside of Match blocks, that sets `keyword`: the one that counts."""
        found = (one for one in self._lines(keyword) if one.match is None and one.file not in self.our_drop_ins)
        return next(found, None)

    def sets_user(self, command: Line) -> bool:
        """Whether the Match block that `command` stands in names the user to run it as."""
        return any((line.file, line.match) == (command.file, command.match) for line in self._lines(COMMAND_USER))

    def _lines(self, keyword: str) -> List[Line]:
        return sshd_config.lines(self.sshd.config, keyword)


def is_ours(command: str) -> bool:
    return command.split()[:1] == [FRONT_DOOR]


def require_root() -> None:
    if os.geteuid() != 0:
        raise Refused("only root can change what sshd does: run it as root")
