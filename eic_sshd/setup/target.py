# SPDX-License-Identifier: Apache-2.0
"""The machine that is changed, and how a change that fails is rolled back."""

from __future__ import annotations

import contextlib
import os
from typing import Iterator, NamedTuple

from ..diagnose.installation import invalid_sshd_config
from ..host.errors import MachineError
from ..host.plain_files import read
from ..sshd.drop_in import foreign_lines
from ..sshd.site import Site
from . import SetupRefused, made_folders
from .changes import Changes
from .report import Report
from .services import Services


class Target(NamedTuple):
    """The machine that is changed. With `dry_run` every step is only reported."""

    site: Site
    services: Services
    report: Report
    dry_run: bool

    def reload_sshd(self) -> None:
        """Reload every sshd that reads our drop-ins. Raises SetupRefused, and reloads none, if one could not start."""
        sshds = [self.site.sshd, *self.site.second_sshds()]
        for sshd in sshds:
            problem = self.site.config_problem(sshd)
            if problem is not None:
                raise SetupRefused(invalid_sshd_config(sshd.config, problem))
        self.services.reload_sshd(sshds)

    def note_reload(self) -> None:
        """Note that sshd is about to read our lines, for `disable`."""
        if self.dry_run:
            return
        try:
            os.makedirs(os.path.dirname(self.site.reloaded_note), mode=0o755, exist_ok=True)
            with open(self.site.reloaded_note, "w"):
                pass
        except OSError as failure:
            self.report(
                f"{self.site.reloaded_note}: it cannot be written ({failure.strerror}). A later `eic-sshd disable` "
                "reloads sshd only if it has lines to remove."
            )

    def remove_reload_note(self) -> None:
        """Note that sshd has read its configuration without our lines."""
        if self.dry_run or not self.site.was_sshd_reloaded():
            return
        os.unlink(self.site.reloaded_note)
        with contextlib.suppress(OSError):  # the packages have files of their own there
            os.rmdir(os.path.dirname(self.site.reloaded_note))

    def remove_our_lines(self, path: str, changes: Changes) -> None:
        """Remove our lines from the drop-in at `path`, and the file if no foreign lines are in it."""
        text = read(path)
        if text is None:
            return
        foreign = foreign_lines(text)
        if not foreign:
            changes.remove(path)
        elif len(foreign) != len(text.splitlines()):
            self.report(f"{path}: lines that eic-sshd did not write are kept ({foreign[0].strip()})")
            changes.write(path, "".join(f"{line}\n" for line in foreign))

    @contextlib.contextmanager
    def all_or_nothing(self) -> Iterator[Changes]:
        """Changes that are rolled back, with a reload of what may have read them, if the body raises."""
        changes = Changes(self.report, self.dry_run)
        try:
            yield changes
        except BaseException:
            changes.roll_back()
            self._reload_after_rollback(changes)
            raise
        if not self.dry_run:
            try:
                made_folders.update(self.site.folders_note, changes)
            except OSError as failure:
                self.report(
                    f"{self.site.folders_note}: it cannot be written ({failure.strerror}). `eic-sshd disable` will "
                    f"leave empty folders: {' '.join(changes.made_folders)}"
                )

    def _reload_after_rollback(self, changes: Changes) -> None:
        if self.dry_run or not changes.paths:
            return
        self.services.reload_daemon()
        if self.services.reload_sent:
            try:
                self.reload_sshd()
            except MachineError as failure:
                self.report(f"{failure} sshd may still use the changes that were rolled back: reload it.")
        if any(os.path.exists(path) for path in self.site.our_drop_ins):
            self.services.start_socket(settings_changed=self.site.socket_drop_in in changes.paths)
