# SPDX-License-Identifier: Apache-2.0
"""What `enable` and `disable` change a machine with."""

from __future__ import annotations

import contextlib
import os
from typing import Iterator, NamedTuple

from ..host.errors import MachineError
from ..host.plain_files import read
from ..sshd.drop_in import others_in
from ..sshd.site import Site
from . import Refused, made_folders
from .changes import Changes, Say
from .services import Units


class Target(NamedTuple):
    """A machine that is changed: what is known of it, its services, and `say`, which tells its administrator what is
    done; with `dry_run` it is only said."""

    site: Site
    units: Units
    say: Say
    dry_run: bool

    def reload_sshd(self) -> None:
        """Have every sshd that reads our drop-ins read them. Raises Refused, and reloads none, if one could not."""
        sshds = [self.site.sshd, *self.site.others()]
        for sshd in sshds:
            problem = self.site.problem_of(sshd)
            if problem is not None:
                raise Refused(f"{sshd.config} is invalid, so its sshd can't be told: {problem}")
        self.units.reload_sshd(sshds)

    def note_that_sshd_is_told(self) -> None:
        """So that a `disable` knows that an sshd may ask."""
        if self.dry_run:
            return
        try:
            os.makedirs(os.path.dirname(self.site.told_note), mode=0o755, exist_ok=True)
            with open(self.site.told_note, "w"):
                pass
        except OSError as error:
            self.say(
                f"{self.site.told_note} can't be written ({error.strerror}): a later `eic-sshd disable` reloads sshd "
                "only if it has something to take away"
            )

    def forget_that_sshd_was_told(self) -> None:
        if self.dry_run or not self.site.was_told():
            return
        os.unlink(self.site.told_note)
        with contextlib.suppress(OSError):  # the packages keep something of theirs there
            os.rmdir(os.path.dirname(self.site.told_note))

    def give_back(self, path: str, changes: Changes) -> None:
        """Take our lines out of the drop-in at `path`; somebody else's stay in it."""
        text = read(path)
        if text is None:
            return
        others = others_in(text)
        if not others:
            changes.remove(path)
        elif len(others) != len(text.splitlines()):
            self.say(f"{path} has lines of somebody else's, which stay: {others[0].strip()}")
            changes.write(path, "".join(f"{line}\n" for line in others))

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
        if not self.dry_run:
            try:
                made_folders.note(self.site.folders_note, changes)
            except OSError as error:
                self.say(
                    f"{self.site.folders_note}: {error.strerror}, so `eic-sshd disable` leaves empty folders: "
                    f"{' '.join(changes.made_folders)}"
                )

    def _tell_of_what_was_put_back(self, changes: Changes) -> None:
        """To those who may have read what is there no more."""
        if self.dry_run or not changes.paths:
            return
        self.units.reload_service()
        if self.units.told_sshd:
            try:
                self.reload_sshd()
            except MachineError as problem:
                self.say(f"{problem}; reload it, so that it goes by its files")
        if any(os.path.exists(path) for path in self.site.our_drop_ins):
            self.units.start_socket(anew=self.site.socket_drop_in in changes.paths)
