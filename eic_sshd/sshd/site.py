# SPDX-License-Identifier: Apache-2.0
"""The machine that eic-sshd is enabled on: its files and its running sshds. Nothing is written here."""

from __future__ import annotations

import os
from typing import Dict, List, NamedTuple, Optional

from .. import paths
from ..host import systemd
from ..host.plain_files import read
from ..paths import CLIENT_COMMAND
from .config_file import COMMAND, COMMAND_USER, Line, SshdConfig
from .drop_in import is_ours, strip_our_lines
from .processes import TRY_RESTART, Listener, Processes
from .program import Sshd


class Site(NamedTuple):
    """A machine. Its systemd units are below `root`."""

    sshd: Sshd
    processes: Processes
    root: str = "/"
    sshd_drop_ins: str = paths.SSHD_DROP_INS
    our_config: str = paths.OUR_CONFIG
    socket_drop_in: str = paths.SOCKET_DROP_IN
    client_command: str = CLIENT_COMMAND
    reloaded_note: str = paths.RELOADED_NOTE
    folders_note: str = paths.FOLDERS_NOTE
    socket: str = paths.SOCKET

    @property
    def drop_in(self) -> str:
        """The usual place of our lines."""
        return os.path.join(self.sshd_drop_ins, "60-eic-sshd.conf")

    @property
    def early_drop_in(self) -> str:
        """Their place where a line of the site in a file of this folder would precede them."""
        return os.path.join(self.sshd_drop_ins, "00-eic-sshd.conf")

    @property
    def late_drop_in(self) -> str:
        """Their place where they must follow a line of the site."""
        return os.path.join(self.sshd_drop_ins, "zz-eic-sshd.conf")

    @property
    def our_drop_ins(self) -> List[str]:
        """The paths where one of our drop-ins may be: at most one of them exists."""
        return [self.drop_in, self.early_drop_in, self.late_drop_in]

    @property
    def chain_config(self) -> str:
        """Our configuration's file that names the chained command."""
        return os.path.join(os.path.dirname(self.our_config), "conf.d", "60-chain.conf")

    def sshd_config(self, instead: Optional[Dict[str, str]] = None) -> SshdConfig:
        """sshd's configuration; `instead` has the texts of files that are not written yet."""
        return SshdConfig(self.sshd.config, instead)

    def drop_ins_without_our_lines(self) -> Dict[str, str]:
        """The text of each of our drop-ins that exists, without our lines. Raises MachineError."""
        texts = {path: read(path) for path in self.our_drop_ins}
        return {path: strip_our_lines(text) for path, text in texts.items() if text is not None}

    def foreign_commands(self) -> List[Line]:
        """The site's own AuthorizedKeysCommand lines, `none` among them, in the order in which sshd reads them."""
        lines = self.sshd_config(self.drop_ins_without_our_lines()).lines(COMMAND)
        return [line for line in lines if not is_ours(line.value)]

    def foreign_users(self) -> List[Line]:
        """The site's own AuthorizedKeysCommandUser lines, in the order in which sshd reads them."""
        return self.sshd_config(self.drop_ins_without_our_lines()).lines(COMMAND_USER)

    def listeners(self, sshd: Sshd) -> List[Listener]:
        """The processes that listen for connections and use the configuration of `sshd`."""
        return [one for one in self.processes.listeners() if one.uses(sshd.config, sshd.program)]

    def config_problem(self, sshd: Optional[Sshd] = None) -> Optional[str]:
        """Why `sshd`, by default the site's, could not read its configuration or start with it; None if it could.

        Raises MachineError.
        """
        sshd = sshd or self.sshd
        running = self.listeners(sshd)
        return sshd.config_problem(
            host_keys=any(not one.overrides_host_keys for one in running),
            addresses=any(self._binds_addresses(one) for one in running),
        )

    def _binds_addresses(self, one: Listener) -> bool:
        """Whether it listens at the addresses in its configuration, and not at sockets that systemd passes to it."""
        return not one.overrides_addresses and not (systemd.is_running(self.root) and one.reload_verb() == TRY_RESTART)

    def second_sshds(self) -> List[Sshd]:
        """The other sshds that run here, each with a configuration of its own that includes our drop-ins too."""
        found = {
            one.config: Sshd(one.program, one.config) for one in self.processes.listeners() if one.config[:1] == "/"
        }
        return [
            sshd
            for sshd in found.values()
            if os.path.realpath(sshd.config) != os.path.realpath(self.sshd.config)
            and any(SshdConfig(sshd.config).inclusion_of(path) for path in self.our_drop_ins)
        ]

    def was_sshd_reloaded(self) -> bool:
        """Whether a running sshd may have read our lines, and not its configuration without them since."""
        return os.path.exists(self.reloaded_note)
