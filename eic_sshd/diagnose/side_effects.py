# SPDX-License-Identifier: Apache-2.0
"""What else would change: all that sshd has in force, with our lines and without them, for every connection that it
can be asked about.

It does happen: before OpenSSH 9.4 an AuthorizedPrincipalsCommand does not count once an AuthorizedKeysCommand was read
(servconf.c, parse_command; bugzilla.mindrot.org 3574).
"""

from __future__ import annotations

import os
import tempfile
from typing import Dict, List, NamedTuple, Optional

from ..host.errors import MachineError
from ..host.plain_files import read
from ..sshd.config_file import COMMAND, COMMAND_USER, SshdConfig
from ..sshd.connections import ORDINARY, Connection, fulfilling
from ..sshd.drop_in import has_ours, without_ours
from ..sshd.program import Settings, Sshd
from ..sshd.site import Site

_MOST_CONNECTIONS = 40

# What is in force for each connection that sshd has an answer for.
InForce = Dict[Connection, Settings]


class Difference(NamedTuple):
    """A setting that is not ours, and its values."""

    keyword: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.keyword} {self.after} instead of {self.before}"


def connections(config: SshdConfig) -> List[Connection]:
    """An ordinary one, and one for each Match block."""
    found = dict.fromkeys([ORDINARY, *(fulfilling(block.match or "") for block in config.blocks())])
    return list(found)[:_MOST_CONNECTIONS]


def observe(sshd: Sshd, among: List[Connection]) -> InForce:
    """What sshd has in force by its files as they are."""
    found = {}
    for connection in among:
        try:
            found[connection] = sshd.settings(connection)
        except MachineError:
            continue  # nor would it answer a login from there
    return found


def would_be(sshd: Sshd, config: SshdConfig, among: List[Connection]) -> InForce:
    """What `sshd` would have in force with `config` in place of its files. Raises MachineError where it
    can't be tried."""
    with _folder() as folder:
        try:
            path = config.copy_to(folder)
        except OSError as error:
            raise MachineError(f"a copy of {config.path} can't be written, to try it: {error}") from error
        return observe(Sshd(sshd.program, path), among)


def _folder() -> tempfile.TemporaryDirectory[str]:
    """One of root's own, in memory where there is such a place: a disk may be full."""
    try:
        return tempfile.TemporaryDirectory(prefix="eic-sshd.", dir="/run" if os.access("/run", os.W_OK) else None)
    except OSError as error:
        raise MachineError(f"a folder to try sshd's configuration in can't be made: {error}") from error


def without_us(site: Site, sshd: Sshd) -> InForce:
    """What `sshd` has in force, or would have if our lines were not there."""
    texts = {path: read(path) for path in site.our_drop_ins}
    stripped = {path: without_ours(text) for path, text in texts.items() if text is not None}
    among = connections(SshdConfig(sshd.config, stripped))
    if not any(has_ours(text) for text in texts.values() if text is not None):
        return observe(sshd, among)
    return would_be(sshd, SshdConfig(sshd.config, stripped), among)


def difference(before: InForce, after: InForce) -> Optional[Difference]:
    """The first setting but for our two that would change, for a connection that is in both; None if there is none."""
    for connection, settings in before.items():
        now = after.get(connection, settings)
        keywords = dict.fromkeys(keyword for keyword, _ in [*settings, *now])
        for keyword in keywords:
            if keyword not in (COMMAND, COMMAND_USER) and _values(keyword, settings) != _values(keyword, now):
                return Difference(keyword, _text(keyword, settings), _text(keyword, now))
    return None


def _values(keyword: str, settings: Settings) -> List[str]:
    return [value for name, value in settings if name == keyword]


def _text(keyword: str, settings: Settings) -> str:
    return ", ".join(_values(keyword, settings)) or "none"
