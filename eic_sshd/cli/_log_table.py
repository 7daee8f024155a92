# SPDX-License-Identifier: Apache-2.0
"""Connections as lines for people: one line each, folded where the terminal is narrower."""

from __future__ import annotations

import datetime
import textwrap
from typing import Iterable, List, Optional, Sequence, TextIO, Tuple

from ..log.connection import By, Connection, Result, SessionState
from ..log.record import clean
from ..log.stats import Stats
from ..log.trail import Comparison, Match, Push
from .output import style

_HEADER = ("TIME", "LENGTH", "USER", "FROM", "RESULT")
_MAX_CELL = 40  # columns of a user's name or of an address
_BY = {
    By.PUSHED_KEY: "login: pushed key",
    By.FALLBACK_FILE: "login: fallback key",
    By.OTHER: "login: other method",
}
_RESULTS = {
    Result.GRANTED: "granted, no session",
    Result.FALLBACK: "fallback, no session",
    Result.NONE: "no pushed key",
    Result.FAILED: "failed in sshd",
}
_STYLES = {Result.REFUSED: "warning", Result.ERROR: "problem", Result.GRANTED: "warning", Result.FALLBACK: "warning"}
_MATCHES = {Match.OK: "in the trail", Match.PROBLEM: "PROBLEM", Match.UNKNOWN: "unknown"}

Row = Tuple[Connection, Optional[Comparison]]


class Table:
    """Prints to `stream`. `width` is that of the terminal, in columns; None if lines are not folded."""

    def __init__(self, stream: TextIO, width: Optional[int], rows: Sequence[Row] = ()) -> None:
        self._stream, self._width = stream, width
        self._widths = [19, 8, 8, 15]
        for connection, _ in rows:
            for column, cell in enumerate(_cells(connection)[:4]):
                self._widths[column] = max(self._widths[column], min(len(cell), _MAX_CELL))

    def header(self) -> None:
        """Print the names of the columns."""
        self._print(self._padded(_HEADER), "strong")

    def row(self, connection: Connection, comparison: Optional[Comparison] = None) -> None:
        """Print a connection."""
        cells = _cells(connection)
        details = [*_details(connection), *(_trail(comparison) if comparison else [])]
        kind = "ok" if connection.result is Result.LOGIN else _STYLES.get(connection.result, "faint")
        self._write(cells, details, kind)

    def push(self, push: Push) -> None:
        """Print a push with which nobody logged in."""
        result = f"push refused by AWS: {clean(push.error)}" if push.error else "pushed, never used"
        cells = (local(push.at), "-", clean(push.user) or "-", clean(push.address) or "-", result)
        details = [clean(push.caller), f"request {clean(push.request_id)}", clean(push.fingerprint)]
        self._write(cells, [one for one in details if one], "warning" if push.error else "unknown")

    def _write(self, cells: Sequence[str], details: Sequence[str], kind: str) -> None:
        """One line if it is not wider than the terminal; otherwise the cells, and below them the details."""
        plain = self._padded(cells)
        styled = plain[: len(plain) - len(cells[4])] + style(cells[4], kind, self._stream)
        whole = "  ".join([plain, *details])
        if self._width is None or len(whole) <= self._width:
            self._stream.write(styled + whole[len(plain) :] + "\n")
        elif len(plain) <= self._width:
            self._stream.write(styled + "\n")
            self._print_details(details)
        else:  # an IPv6 address, a long name
            self._stream.write(plain[: len(plain) - len(cells[4])].rstrip() + "\n")
            self._print_details([cells[4], *details])

    def holder(self, connection: Connection, now: int) -> None:
        """Print who holds an open session, one fact a line; `now` is in microseconds since the epoch."""
        login, session = connection.login, connection.session
        opened = session.opened if session else connection.began
        grant = login.grant if login else None
        facts = (
            ("user", connection.user),
            ("login", result(connection)),
            ("caller", grant and grant.caller),
            ("request", grant and grant.request_id),
            ("policy", grant and grant.policy),
            ("key", login and login.fingerprint),
            ("from", connection.address),
            ("since", f"{local(opened)} (for {length(max(0, now - opened))})"),
            ("session", " ".join(session.ids) if session else ""),
        )
        for name, fact in facts:
            if fact:
                self._stream.write(f"{name:8}  {clean(fact)}\n")

    def _print_details(self, details: Iterable[str]) -> None:
        """Print as many on one line as it has room for."""
        width = max(40, self._width or 80)
        line = ""
        for detail in details:
            if line and len(line) + 2 + len(detail) > width:
                self._print_wrapped(line, width)
                line = ""
            line = f"{line}  {detail}" if line else f"    {detail}"
        self._print_wrapped(line, width)

    def _print_wrapped(self, line: str, width: int) -> None:
        for part in textwrap.wrap(
            line, width, subsequent_indent="      ", break_long_words=False, break_on_hyphens=False
        ):
            self._stream.write(part + "\n")

    def _padded(self, cells: Sequence[str]) -> str:
        return "  ".join([*(cell.ljust(width) for cell, width in zip(cells, self._widths)), cells[4]])

    def _print(self, text: str, kind: str) -> None:
        self._stream.write(style(text, kind, self._stream) + "\n")


def local(at: int) -> str:
    """Microseconds since the epoch in local time."""
    return datetime.datetime.fromtimestamp(at // 1_000_000).isoformat(" ")


def length(microseconds: int) -> str:
    """A session's length, as hours, minutes and seconds."""
    seconds = microseconds // 1_000_000
    days, rest = divmod(seconds, 86400)
    hours = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}d {hours}" if days else hours


def _cells(connection: Connection) -> Tuple[str, str, str, str, str]:
    return (
        local(connection.began),
        _length(connection),
        clean(connection.user or "-"),
        clean(connection.address or "-"),
        result(connection),
    )


def _length(connection: Connection) -> str:
    session = connection.session
    if session is None:
        return "-"
    if session.state is SessionState.CLOSED and session.length is not None:
        return length(session.length)
    return session.state.value


def result(connection: Connection) -> str:
    """What came of it, in words."""
    login = connection.login
    if login:
        return _BY[login.by]
    words = _RESULTS.get(connection.result, connection.result.value)
    return words if connection.result in _RESULTS else f"{words}: {clean(connection.reason or 'unknown')}"


def _details(connection: Connection) -> List[str]:
    login, deciding = connection.login, connection.deciding
    found: List[str] = []
    if login and login.by is By.OTHER and login.methods:
        found.append(f"by {', '.join(map(clean, login.methods))}")
    if deciding:
        found += [clean(one) for one in deciding.caller.split(", ") if one]
        found += [f"request {clean(one)}" for one in deciding.request_ids]
        found += [f"policy {clean(deciding.policy)}"] if deciding.policy else []
    key = login.fingerprint if login else deciding.fingerprint if deciding else ""
    found += [clean(key)] if key else []
    if login:
        found += [f"found at {clean(login.key_place)}"] if login.key_place and not login.grant else []
        found += ["sshd logged no address"] if connection.address is None else []
        ids = connection.session.ids if connection.session else ()
        found += [f"session {' '.join(map(clean, ids))}"] if ids else []
    elif deciding and deciding.decision in ("refused", "error"):
        found.append(deciding.message and clean(deciding.message))
    if not login or not login.grant:
        found += [f"sshd: {clean(line)}" for line in connection.sshd]
    return [one for one in found if one]


def _trail(comparison: Comparison) -> List[str]:
    push = comparison.push
    words = f"trail: {_MATCHES[comparison.match]}" + (f", {clean(comparison.detail)}" if comparison.detail else "")
    if push is None:
        return [words]
    return [f"{words}, pushed by {clean(push.caller)} from {clean(push.address)} at {local(push.at)}"]


def stats_lines(found: Stats) -> List[str]:
    """The statistics, in four groups."""
    lines: List[str] = []
    for title, counts in (
        ("connections by result", found.connections),
        ("logins by method", found.logins),
        ("decisions by reason", found.decisions),
    ):
        lines += [title, *(f"  {count:8}  {clean(word)}" for word, count in counts.items()), ""]
    lines.append("time of a decision, in milliseconds, by the source of its answer")
    for source, values in found.latency_us.items():
        lines.append("  ".join([f"  {clean(source):8}", *(f"{name} {us / 1000:.1f}" for name, us in values.items())]))
    return lines
