# SPDX-License-Identifier: Apache-2.0
"""Sites to enable and disable eic-sshd on, with the real sshd as the judge of their configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple, Type

import pytest

from eic_sshd.config import loader
from eic_sshd.diagnose import installation
from eic_sshd.host.errors import MachineError
from eic_sshd.setup.disable import disable
from eic_sshd.setup.enable import Existing, enable
from eic_sshd.setup.services import Services
from eic_sshd.setup.target import Target
from eic_sshd.sshd.processes import Processes
from eic_sshd.sshd.program import Sshd
from eic_sshd.sshd.site import Site
from testbed import private_host
from testbed.sshd import Sshd as Running

INCLUDE = "Include {folder}/sshd_config.d/*.conf\n"
OTHER = "AuthorizedKeysCommand /usr/bin/true %u\nAuthorizedKeysCommandUser nobody\n"


class Machine:
    """A site in `folder`: sshd_config, its drop-ins, eic-sshd.conf, units; and the reports to its administrator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reports: List[str] = []
        self.dry_run = False
        self.client_command = "/usr/bin/true"
        self.services: Type[Services] = Services
        self.sshd: Type[Sshd] = Sshd
        for name in ("sshd_config.d", "eic-sshd/conf.d"):
            (folder / name).mkdir(parents=True)
        self.write("eic-sshd/eic-sshd.conf", "")
        self.sshd_config(INCLUDE)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{folder}", str(self.folder)))

    def runs(self, sshd: Running) -> None:
        """Add `sshd` to the processes of this machine; no other process of the host is one of them."""
        (self.folder / "proc").mkdir(exist_ok=True)
        (self.folder / "proc" / str(sshd.pid)).symlink_to(f"/proc/{sshd.pid}")

    def sshd_config(self, text: str) -> None:
        self.write("sshd_config", text)

    @property
    def site(self) -> Site:
        return Site(
            sshd=self.sshd(config=str(self.folder / "sshd_config")),
            processes=Processes(str(self.folder / "proc")),
            root=str(self.folder),
            sshd_drop_ins=str(self.folder / "sshd_config.d"),
            our_config=str(self.folder / "eic-sshd/eic-sshd.conf"),
            socket_drop_in=str(self.folder / "etc/systemd/system/eic-sshd.socket.d/60-chain.conf"),
            client_command=self.client_command,
            reloaded_note=str(self.folder / "var/told.log"),
            socket=str(self.folder / "run/authorize.sock"),
            folders_note=str(self.folder / "var/folders.log"),
        )

    @property
    def target(self) -> Target:
        site = self.site
        services = self.services(self.reports.append, self.dry_run, site.processes, site.root)
        return Target(site, services, self.reports.append, self.dry_run)

    def enable(self, chain: bool = False, replace: bool = False) -> List[str]:
        """What is reported to the administrator."""
        self.reports.clear()
        enable(self.target, _existing(chain, replace))
        return list(self.reports)

    def disable(self) -> List[str]:
        self.reports.clear()
        disable(self.target)
        return list(self.reports)

    def refusal(self, chain: bool = False, do: Optional[Callable[[Target], None]] = None) -> str:
        """The message of a refusal, after which no file has changed."""
        before = self.files()
        with pytest.raises(MachineError) as refused:
            do(self.target) if do else enable(self.target, _existing(chain, False))
        assert self.files() == before
        return str(refused.value)

    def problems(self) -> List[str]:
        """What check-config reports of sshd."""
        return [found.text() for found in installation.problems(self.site, loader.load(self.site.our_config))]

    def warnings(self) -> List[str]:
        return [found.text() for found in installation.warnings(self.site, loader.load(self.site.our_config))]

    def files(self) -> Dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and path.suffix != ".log"
        }

    @property
    def effective(self) -> Tuple[str, str]:
        found = self.site.sshd.effective()
        return found["authorizedkeyscommand"], found["authorizedkeyscommanduser"]


def _existing(chain: bool, replace: bool) -> Existing:
    return Existing.CHAIN if chain else Existing.REPLACE if replace else Existing.KEEP


@pytest.fixture
def machine() -> Machine:
    # In a folder of root's alone: what decides who may log in is not read from anywhere else.
    folder = Path(private_host.HOME) / "sites" / os.urandom(4).hex()
    folder.mkdir(parents=True)
    return Machine(folder)
