# SPDX-License-Identifier: Apache-2.0
"""Where this machine's logins are recorded, and who may write the records."""

from __future__ import annotations

import datetime
import functools
import pwd
import sys
import time
from dataclasses import dataclass
from typing import Callable, Dict, FrozenSet, Optional

from ..config.loader import load_or_refuse
from ..config.schema import LogSettings
from ..host.accounts import uid_of
from ..host.hardware import Ec2Hardware
from ..log.access import NoJournal, require_journal
from ..log.names import UidOf
from ..log.reader import CannotRead, Journal
from ..log.record_file import RecordFile
from ..log.sessions import LOGIN_GRACE, Joiner
from ..log.source import Boot, Source
from ..model.outcome import NOTICE
from ..sshd.commands import record_writers
from ..sshd.processes import Processes as SshdProcesses
from ..sshd.program import Sshd
from ..sshd.site import Site
from ._log_session import Processes
from .output import report


@dataclass(frozen=True)
class Machine:
    """A machine's logins: the entries, its processes, LoginGraceTime and the clock (both in seconds), its accounts.

    `instance_id` is None if the hardware does not report it.
    """

    source: Source
    processes: Processes
    login_grace: float = LOGIN_GRACE
    now: Callable[[], float] = time.time
    uid_of: UidOf = lambda _: None
    instance_id: Optional[str] = None

    def joiner(self) -> Joiner:
        """Joins entries of this machine."""
        return Joiner(self.login_grace, self.uid_of)

    def is_running(self, boot: str, pid: int) -> bool:
        """Whether the process of this boot is an sshd that runs now."""
        return boot == self.processes.boot_id() and self.processes.is_sshd(pid)


def this_machine(config_file: str) -> Machine:
    """The machine on which it runs. Raises CannotRead."""
    config, invalid = load_or_refuse(config_file)
    if invalid:
        report(
            "the configuration: it is invalid, so only its valid sections are used. Run `eic-sshd check-config`.",
            sys.stderr,
        )
    site, processes = Site(Sshd(), SshdProcesses()), Processes()
    # As the journal has it: the id in an entry, and its time minus its monotonic time.
    boot = Boot(processes.boot_id(), int((time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)) * 1e6))
    entries = source(config.log, record_writers(site), boot)
    return Machine(
        entries,
        processes,
        _login_grace(site),
        uid_of=functools.lru_cache(maxsize=4096)(uid_of),
        instance_id=Ec2Hardware().instance_id(),
    )


def source(
    settings: LogSettings, uids: FrozenSet[int], boot: Boot, require: Callable[[], None] = require_journal
) -> Source:
    """What `[log]` sets; `require` raises CannotRead if the journal cannot be read. Raises CannotRead."""
    destination = settings.destination
    if destination in ("syslog", "stderr"):
        raise CannotRead(
            f"[log] destination = {destination}",
            "records there have no fields",
            "Set it to journal or to a file",
        )
    if settings.level < NOTICE:
        report(
            "[log] level: granted keys are not recorded: logins with them are shown as `other method`. Set it to info.",
            sys.stderr,
        )
    if destination == "journal":
        require()
        return Source(Journal(uids), uids)
    file = RecordFile(destination, uids)
    try:
        require()
    except NoJournal as problem:
        report(f"{problem} Only eic-sshd's records are shown: logins are in the journal.", sys.stderr)
        return Source(None, uids, file, boot)
    return Source(Journal(uids), uids, file, boot)


def _login_grace(site: Site) -> float:
    """LoginGraceTime, in seconds."""
    value = site.sshd.effective_or_nothing().get("logingracetime", "")
    return float(value) if value.isascii() and value.isdigit() else LOGIN_GRACE


def warn_of_lost_records(file: Optional[RecordFile], since: int) -> None:
    """Report that the records of `since` (microseconds since the epoch) are not in the file any more.

    Raises CannotRead.
    """
    known = None if file is None else file.known_since()
    if file is not None and known is not None and known > since:
        begin = datetime.datetime.fromtimestamp(known // 1_000_000).isoformat(" ")
        report(
            f"{file.path}: its records begin at {begin}. Earlier files were deleted, or are not compressed by gzip: "
            "logins with a pushed key are shown as `other method` there.",
            sys.stderr,
        )


def warn_of_forged(found: Dict[int, int]) -> None:
    """Report records that users wrote who may not write any."""
    for uid, count in sorted(found.items()):
        try:
            name = f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
        except KeyError:
            name = f"uid {uid}"
        many = "one record" if count == 1 else f"{count} records or more"
        report(f"the journal: {name} forged {many} of eic-sshd. What is forged is not shown.", sys.stderr)
