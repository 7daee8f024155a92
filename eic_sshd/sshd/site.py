# SPDX-License-Identifier: Apache-2.0
"""The machine that eic-sshd is enabled on: where its files are, and what stands in them. Nothing is written here."""

from __future__ import annotations

import os
from typing import Dict, List, NamedTuple, Optional

from ..host import systemd
from ..host.plain_files import read
from ..model.keys_command import FRONT_DOOR
from .config_file import COMMAND, COMMAND_USER, Line, SshdConfig
from .drop_in import is_ours, without_ours
from .processes import RESTART, Listener, Processes
from .program import Sshd


class Site(NamedTuple):
    """A machine whose units are below `root`."""

    sshd: Sshd
    processes: Processes
    root: str = "/"
    sshd_drop_ins: str = "/etc/ssh/sshd_config.d"
    our_config: str = "/etc/eic-sshd/eic-sshd.conf"
    socket_drop_in: str = "/etc/systemd/system/eic-sshd.socket.d/60-chain.conf"
    front_door: str = FRONT_DOOR
    # There from when sshd is first told of us until it is told that it need not ask: a disable that was broken off
    # may have taken our lines away, and not told it.
    told_note: str = "/var/lib/eic-sshd/sshd-was-told"
    folders_note: str = "/var/lib/eic-sshd/made-folders"
    socket: str = "/run/eic-sshd/authorize.sock"

    @property
    def drop_in(self) -> str:
        """What has sshd ask us."""
        return os.path.join(self.sshd_drop_ins, "60-eic-sshd.conf")

    @property
    def early_drop_in(self) -> str:
        """The same, where something of the site's would come before that one."""
        return os.path.join(self.sshd_drop_ins, "00-eic-sshd.conf")

    @property
    def late_drop_in(self) -> str:
        """The same, where ours must come after something of the site's."""
        return os.path.join(self.sshd_drop_ins, "zz-eic-sshd.conf")

    @property
    def our_drop_ins(self) -> List[str]:
        return [self.drop_in, self.early_drop_in, self.late_drop_in]

    @property
    def chain_config(self) -> str:
        return os.path.join(os.path.dirname(self.our_config), "conf.d", "60-chain.conf")

    def sshd_problem(self) -> Optional[str]:
        """What keeps sshd from reading its configuration, if it runs, or from starting with it; None if nothing."""
        return self.problem_of(self.sshd)

    def problem_of(self, sshd: Sshd) -> Optional[str]:
        running = self.waiting(sshd)
        return sshd.problem(
            host_keys=any(not one.brings_host_keys for one in running),
            addresses=any(self._binds(one) for one in running),
        )

    def waiting(self, sshd: Sshd) -> List[Listener]:
        """The processes that wait for connections and go by the configuration of `sshd`."""
        return [one for one in self.processes.waiting() if one.reads(sshd.config, sshd.program)]

    def _binds(self, sshd: Listener) -> bool:
        """Whether it will listen where its configuration says, and not at what systemd hands it."""
        return not sshd.brings_addresses and not (systemd.is_running(self.root) and sshd.reload_verb() == RESTART)

    def others(self) -> List[Sshd]:
        """What else waits for connections here with a configuration of its own, which includes our drop-ins as well."""
        found = {one.config: Sshd(one.program, one.config) for one in self.processes.waiting() if one.config[:1] == "/"}
        return [
            sshd
            for sshd in found.values()
            if os.path.realpath(sshd.config) != os.path.realpath(self.sshd.config)
            and any(SshdConfig(sshd.config).inclusion_of(path) for path in self.our_drop_ins)
        ]

    def sshd_config(self, instead: Optional[Dict[str, str]] = None) -> SshdConfig:
        return SshdConfig(self.sshd.config, instead)

    def was_told(self) -> bool:
        """Whether an sshd that runs may have been told to ask, and not yet that it need not."""
        return os.path.exists(self.told_note)

    def commands(self) -> List[Line]:
        """Every AuthorizedKeysCommand line of the site's own, `none` among them, in the order that sshd reads them."""
        return [line for line in self._without_us().lines(COMMAND) if not is_ours(line.value)]

    def users(self) -> List[Line]:
        """Every AuthorizedKeysCommandUser line of the site's own."""
        return self._without_us().lines(COMMAND_USER)

    def _without_us(self) -> SshdConfig:
        return self.sshd_config({path: without_ours(read(path) or "") for path in self.our_drop_ins})
