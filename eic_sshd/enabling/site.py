# SPDX-License-Identifier: Apache-2.0
"""The machine that eic-sshd is enabled on: where its files are, and what stands in them."""

from __future__ import annotations

import contextlib
import os
import pwd
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional

from ..model.keys_command import FRONT_DOOR
from . import Refused, made_folders
from .as_user import front_door_problem, may_run_us
from .changes import Changes, Say, read
from .drop_in import USER, is_ours, others_in, without_ours
from .sshd import Sshd
from .sshd_config import COMMAND, COMMAND_USER, Line, SshdConfig
from .units import Units


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

    def require_installed(self) -> None:
        """What sshd is to run, and the user that it is to run it as, must be there before it is told of them."""
        if not os.path.exists(self.front_door):
            raise Refused(f"there is no {self.front_door}: install the package, or run `make install`")
        try:
            pwd.getpwnam(USER)
        except KeyError:
            raise Refused(f"there is no user {USER}: run `systemd-sysusers`") from None
        if not may_run_us(USER):
            raise Refused(f"the user {USER} must not be root: take it away, then run `systemd-sysusers`")
        self.require_runnable(USER)

    def require_runnable(self, user: str) -> None:
        """sshd must be able to run us as `user`. Raises Refused."""
        problem = front_door_problem(user, self.front_door)
        if problem is not None:
            raise Refused(problem)

    def require_started_by_its_configuration(self) -> None:
        """Nothing on sshd's command line must go before what its configuration says. Raises Refused."""
        started_with = self.units.on_command_line(self.sshd.config)
        if started_with is not None:
            option, place = started_with
            raise Refused(
                f"sshd is started with {option} at {place}, which goes before {self.sshd.config}: take that away "
                "(the package ec2-instance-connect puts such a thing there: remove it), then run `eic-sshd enable`"
            )

    def sshd_problem(self) -> Optional[str]:
        """What keeps sshd from reading its configuration, if it runs, or from starting with it; None if nothing."""
        return self._problem(self.sshd)

    def _problem(self, sshd: Sshd) -> Optional[str]:
        running = self.units.waiting(sshd)
        return sshd.problem(
            host_keys=any(not one.brings_host_keys for one in running),
            addresses=any(self.units.binds(one) for one in running),
        )

    def others(self) -> List[Sshd]:
        """What else waits for connections here with a configuration of its own, which includes our drop-ins as well."""
        found = {one.config: Sshd(one.program, one.config) for one in self.units.listeners() if one.config[:1] == "/"}
        return [
            sshd
            for sshd in found.values()
            if os.path.realpath(sshd.config) != os.path.realpath(self.sshd.config)
            and any(SshdConfig(sshd.config).inclusion_of(path) for path in self.our_drop_ins)
        ]

    def problems_of(self, others: Iterable[Sshd]) -> Dict[str, str]:
        """What is wrong with those of `others` that could not read their configurations, by the paths of these."""
        found = {}
        for other in others:
            try:
                problem = self._problem(other)
            except Refused as refused:
                problem = str(refused)
            if problem is not None:
                found[other.config] = problem
        return found

    def reload_sshd(self, before: Dict[str, str]) -> None:
        """Have all that go by what has changed read it, if they can: `before` are the problems that others had before.

        Raises Refused if one has a problem since, or would not.
        """
        others = self.others()
        problems = self.problems_of(others)
        for config, problem in problems.items():
            if config not in before:
                raise Refused(f"{config}, which includes {self.sshd_drop_ins} too, would become invalid: {problem}")
            self.say(f"{config}, which includes {self.sshd_drop_ins} too, is invalid, as it was before: {problem}")
        self.units.reload_sshd([self.sshd, *(other for other in others if other.config not in problems)])

    def sshd_config(self, instead: Optional[Dict[str, str]] = None) -> SshdConfig:
        return SshdConfig(self.sshd.config, instead)

    def note_that_sshd_is_told(self) -> None:
        """So that a `disable` knows that an sshd may ask."""
        if self.dry_run:
            return
        try:
            os.makedirs(os.path.dirname(self.told_note), mode=0o755, exist_ok=True)
            with open(self.told_note, "w"):
                pass
        except OSError as error:
            self.say(
                f"{self.told_note} can't be written ({error.strerror}): a later `eic-sshd disable` reloads sshd only if"
                " it has something to take away"
            )

    def was_told(self) -> bool:
        """Whether an sshd that runs may have been told to ask, and not yet that it need not."""
        return os.path.exists(self.told_note)

    def forget_that_sshd_was_told(self) -> None:
        if self.dry_run or not self.was_told():
            return
        os.unlink(self.told_note)
        with contextlib.suppress(OSError):  # the packages keep something of theirs there
            os.rmdir(os.path.dirname(self.told_note))

    def commands(self) -> List[Line]:
        """Every AuthorizedKeysCommand line of the site's own, `none` among them, in the order that sshd reads them."""
        return [line for line in self._without_us().lines(COMMAND) if not is_ours(line.value)]

    def users(self) -> List[Line]:
        """Every AuthorizedKeysCommandUser line of the site's own."""
        return self._without_us().lines(COMMAND_USER)

    def _without_us(self) -> SshdConfig:
        return self.sshd_config({path: without_ours(read(path) or "") for path in self.our_drop_ins})

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
                made_folders.note(self.folders_note, changes)
            except OSError as error:
                self.say(
                    f"{self.folders_note}: {error.strerror}, so `eic-sshd disable` leaves empty folders: "
                    f"{' '.join(changes.made_folders)}"
                )

    def _tell_of_what_was_put_back(self, changes: Changes) -> None:
        """To those who may have read what is there no more."""
        if self.dry_run or not changes.paths:
            return
        self.units.reload_service()
        if self.units.told_sshd:
            try:
                self.reload_sshd(self.problems_of(self.others()))
            except Refused as problem:
                self.say(f"{problem}; reload it, so that it goes by its files")
        if any(os.path.exists(path) for path in self.our_drop_ins):
            self.units.start_socket(anew=self.socket_drop_in in changes.paths)
