# SPDX-License-Identifier: Apache-2.0
"""The machine that eic-sshd is enabled on: where its files are, and what stands in them."""

from __future__ import annotations

import contextlib
import os
import pwd
from typing import Dict, Iterator, List, NamedTuple, Optional

from ..sshd_command import FRONT_DOOR
from . import Refused
from .changes import Changes, Say, read
from .drop_in import USER, is_ours, without_ours
from .sshd import Sshd
from .sshd_config import Line, SshdConfig
from .units import Units

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
        """The same, where something of the site's would come before that one."""
        return os.path.join(self.sshd_drop_ins, "00-eic-sshd.conf")

    @property
    def our_drop_ins(self) -> List[str]:
        return [self.drop_in, self.early_drop_in]

    @property
    def chain_config(self) -> str:
        return os.path.join(os.path.dirname(self.our_config), "conf.d", "60-chain.conf")

    def require_installed(self) -> None:
        """What sshd is to run, and the user that it is to run it as, must be there before it is told of them."""
        if not os.access(self.front_door, os.X_OK):
            raise Refused(f"there is no {self.front_door}: install the package, or run `make install`")
        try:
            pwd.getpwnam(USER)
        except KeyError:
            raise Refused(f"there is no user {USER}: run `systemd-sysusers`") from None

    def sshd_config(self, instead: Optional[Dict[str, str]] = None) -> SshdConfig:
        return SshdConfig(self.sshd.config, instead)

    def commands(self) -> List[Line]:
        """Every AuthorizedKeysCommand line of the site's own, `none` among them, in the order that sshd reads them."""
        return [line for line in self._without_us().lines(COMMAND) if not is_ours(line.value)]

    def users(self) -> List[Line]:
        """Every AuthorizedKeysCommandUser line of the site's own."""
        return self._without_us().lines(COMMAND_USER)

    def _without_us(self) -> SshdConfig:
        return self.sshd_config({path: without_ours(read(path) or "") for path in self.our_drop_ins})

    @contextlib.contextmanager
    def all_or_nothing(self) -> Iterator[Changes]:
        """Changes that are put back if what is done meanwhile does not come to its end, and sshd told so."""
        changes = Changes(self.say, self.dry_run)
        try:
            yield changes
        except BaseException:
            changes.put_back()
            self._tell_of_what_was_put_back(changes)
            raise

    def _tell_of_what_was_put_back(self, changes: Changes) -> None:
        """To those who may have read what is there no more."""
        if self.dry_run or not changes.paths:
            return
        self.units.reload_service()
        if self.units.told_sshd:
            try:
                self.units.reload_sshd()
            except Refused as problem:
                self.say(f"{problem}; reload it, so that it goes by its files")
        if any(os.path.exists(path) for path in self.our_drop_ins):
            self.units.start_socket(anew=self.socket_drop_in in changes.paths)


def outside(lines: List[Line]) -> Optional[Line]:
    """The one of `lines` that counts outside of Match blocks."""
    return next((line for line in lines if line.match is None), None)


def in_same_block(line: Line, lines: List[Line]) -> bool:
    """Whether one of `lines` stands in the Match block that `line` stands in."""
    return any((one.file, one.match) == (line.file, line.match) for one in lines)


def require_root() -> None:
    if os.geteuid() != 0:
        raise Refused("only root can change what sshd does: run it as root")
