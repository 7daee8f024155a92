# SPDX-License-Identifier: Apache-2.0
"""What `eic-sshd log` prints."""

from __future__ import annotations

import argparse
import gc
import json
import re
import shutil
import sys
from typing import Dict, Iterable, List, Optional, TextIO, Tuple

from ..log import as_json, stats
from ..log.connection import Connection, SessionState
from ..log.one_connection import OneConnection
from ..log.reader import Span
from ..log.record import clean
from ..log.selection import Selection
from ..log.sessions import holders
from ..log.trail import Comparison, Match, Push, Trail, compare, instances, unused
from ..log.trail_files import read as read_trail
from ._log_source import Machine, warn_of_forged, warn_of_lost_records
from ._log_table import Table, stats_lines
from .output import report

_DAY = 86_400_000_000  # microseconds
_DEFAULT_SPAN = 7 * _DAY
_MAX_LEAD = 3600.0  # seconds: LoginGraceTime may be longer, or have no limit
_WAIT = 1.0  # seconds between two polls of --follow
_END_DELAY = 3_000_000  # microseconds from the end of sshd's process to the last entry about it
_SETTLED = 10_000_000  # microseconds after which a connection that is over gets no more entries


class Run:
    """One run with `arguments` on `machine`, which prints to `stream`."""

    def __init__(self, arguments: argparse.Namespace, machine: Machine, stream: TextIO) -> None:
        self._arguments, self._machine, self._stream = arguments, machine, stream
        now = int(machine.now() * 1e6)
        self._since: int = now - _DEFAULT_SPAN if arguments.since is None else arguments.since
        self._now = now
        self._selection = Selection(
            self._since,
            arguments.until,
            arguments.user,
            arguments.caller,
            arguments.reason,
            arguments.fingerprint,
            arguments.all,
        )
        self._width = shutil.get_terminal_size((80, 24)).columns if stream.isatty() else None

    def run(self) -> int:
        """Print it. Returns the exit status. Raises CannotRead and UnreadableTrail."""
        if self._arguments.session is not None:
            return self._session(self._arguments.session)
        trail = None if self._arguments.trail is None else read_trail(self._arguments.trail)
        span = Span(max(0, self._since - self._lead()))
        warn_of_forged(self._machine.source.forged(span))
        warn_of_lost_records(self._machine.source.file, self._since)
        if self._arguments.follow:
            return self._follow(span)
        connections = self._read(span)
        if self._arguments.stats:
            self._stats(connections)
        else:
            self._list(connections, trail)
        return 0

    def _lead(self) -> int:
        """How long before the first moment that is shown a login in it may have begun, in microseconds."""
        return int(min(self._machine.login_grace or _MAX_LEAD, _MAX_LEAD) * 1e6) + _SETTLED

    def _read(self, span: Span) -> List[Connection]:
        joiner = self._machine.joiner()
        gc.disable()  # almost nothing is garbage before the end
        try:
            return joiner.add_all(self._machine.source.entries(span)).connections(self._machine.is_running)
        finally:
            gc.enable()

    def _list(self, connections: List[Connection], trail: Optional[Trail]) -> None:
        shown = [one for one in connections if self._selection.has(one)]
        rows = [(one, compare(one, trail) if trail else None) for one in shown]
        pushes = self._unused(connections, trail) if trail else []
        if self._arguments.json:
            self._print_json(as_json.connection(*row) for row in rows)
            self._print_json(map(as_json.push, pushes))
            return
        if not rows and not pushes:
            report("There is no login or decision in this time that fits the options.", sys.stderr)
            return
        table = Table(self._stream, self._width, rows)
        table.header()
        for row in rows:
            table.row(*row)
        for push in pushes:
            table.push(push)
        if trail:
            self._stream.write(_summary(rows, pushes))

    def _unused(self, connections: List[Connection], trail: Trail) -> List[Push]:
        """Of this instance, of the time that the journal has, and of the selected users and callers."""
        chosen, here = self._arguments, instances(connections)
        if self._machine.instance_id is not None:
            here.add(self._machine.instance_id)
        if not here and trail.pushes and chosen.reason is None:
            report(
                "pushes that were not used: they are not shown, because neither the hardware nor a record names this "
                "instance. Use --since with a time before the last login with a pushed key.",
                sys.stderr,
            )
        return [
            push
            for push in unused(connections, trail, max(self._since, self._machine.source.first()), here)
            if (chosen.until is None or push.at <= chosen.until)
            and chosen.user in (None, push.user)
            and (chosen.caller or "") in push.caller
            and push.fingerprint.startswith(chosen.fingerprint or "")
            and chosen.reason is None
        ]

    def _stats(self, connections: List[Connection]) -> None:
        found = stats.of(one for one in connections if self._selection.has(one))
        if self._arguments.json:
            self._print_json([as_json.stats(found)])
        else:
            self._stream.write("\n".join([*stats_lines(found), ""]))

    def _follow(self, span: Span) -> int:
        """Print each login, its end, and each connection that ended without one; until it is interrupted."""
        joiner = self._machine.joiner()
        printer = _Printer(self._arguments.json, Table(self._stream, self._width), self._stream)
        is_first = True
        for entries in self._machine.source.follow(span, _WAIT):
            joiner.add_all(entries)
            now = int(self._machine.now() * 1e6)
            over = []
            for one in joiner.current:
                connection = one.value(self._machine.is_running)
                is_shown = one.is_of_sshd and self._selection.has(connection)
                is_news = is_shown and not (is_first and self._arguments.since is None)
                is_settled = printer.update(one, connection, is_news, now)
                if is_settled and connection.over and now - connection.last > _SETTLED:
                    over.append(one)
            joiner.forget(over)
            printer.forget(over)
            is_first = False
        return 0

    def _session(self, session_id: str) -> int:
        machine = self._machine
        boot, wanted = machine.processes.boot_id(), session_id or machine.processes.session_id()
        if wanted and not re.fullmatch("[A-Za-z0-9_-]{1,64}", wanted):
            report(f"session {clean(wanted)}: it is no id of systemd-logind. `loginctl` lists them.", sys.stderr)
            return 1
        leader = machine.source.leader(wanted, boot) if wanted else None
        found = [] if leader is None else holders(self._of_process(leader, boot), wanted or "")
        if not found and not session_id:  # no logind: the sshd process is above this one
            above = (self._of_process(pid, boot) for pid in machine.processes.ancestors())
            found = [one for connections in above for one in connections if _is_open(one)]
        if not found:
            subject = f"session {wanted}" if wanted else "this process"
            report(f"{subject}: sshd has no open login session for it.", sys.stderr)
            return 1
        if self._arguments.json:
            self._print_json([as_json.connection(found[-1])])
        else:
            Table(self._stream, self._width).holder(found[-1], self._now)
        return 0

    def _of_process(self, pid: int, boot: str) -> List[Connection]:
        entries = self._machine.source.of_process(pid, boot)
        return self._machine.joiner().add_all(entries).connections(self._machine.is_running)

    def _print_json(self, forms: Iterable[Dict[str, as_json.Json]]) -> None:
        for form in forms:
            self._stream.write(json.dumps(form) + "\n")


def _is_open(connection: Connection) -> bool:
    return connection.session is not None and connection.session.state is SessionState.OPEN


def _summary(rows: List[Tuple[Connection, Optional[Comparison]]], pushes: List[Push]) -> str:
    matches = [comparison.match for _, comparison in rows if comparison]
    return (
        f"Logins with a pushed key: {matches.count(Match.OK)} as in the trail, "
        f"{matches.count(Match.PROBLEM)} not as in the trail, "
        f"{matches.count(Match.UNKNOWN)} outside of its time. Pushes that were not used: {len(pushes)}.\n"
    )


class _Printer:
    """Prints a connection when there is news of it."""

    def __init__(self, in_json: bool, table: Table, stream: TextIO) -> None:
        self._in_json, self._table, self._stream = in_json, table, stream
        self._printed: Dict[int, str] = {}
        self._lost: Dict[int, int] = {}  # since when, in microseconds, the process is gone without an end
        if not in_json:
            table.header()
        stream.flush()

    def update(self, one: OneConnection, connection: Connection, is_shown: bool, now: int) -> bool:
        """Print `connection`, the value of `one`, if it is to be shown and has changed.

        Returns whether nothing more is expected soon. `now` is in microseconds since the epoch.
        """
        state = connection.session.state if connection.session else None
        if state is SessionState.LOST and now - self._lost.setdefault(id(one), now) < _END_DELAY:
            return False
        if not connection.login and not connection.over:
            return False
        news = f"{connection.result} {state}"
        if self._printed.get(id(one)) != news:
            self._printed[id(one)] = news
            if is_shown:
                self._print(connection)
        return True

    def _print(self, connection: Connection) -> None:
        if self._in_json:
            self._stream.write(json.dumps(as_json.connection(connection)) + "\n")
        else:
            self._table.row(connection)
        self._stream.flush()

    def forget(self, connections: Iterable[OneConnection]) -> None:
        """Forget connections of which there will be no more news."""
        for one in connections:
            self._printed.pop(id(one), None)
            self._lost.pop(id(one), None)
