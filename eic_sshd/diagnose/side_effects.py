# SPDX-License-Identifier: Apache-2.0
"""Whether our lines change any other setting of sshd.

`sshd -T` is compared with them and without them, for an ordinary connection and one for each Match block. They can
change one: OpenSSH before 9.4 ignores an AuthorizedPrincipalsCommand that it reads after an AuthorizedKeysCommand
(servconf.c, parse_command; bugzilla.mindrot.org 3574).

A configuration that is not in place yet is tried as a copy in a private temporary folder, by `sshd -T -f`. That copy is
the only thing that diagnose/ writes.
"""

from __future__ import annotations

import os
import tempfile
from typing import Dict, List, NamedTuple, Optional

from ..host.errors import MachineError
from ..host.plain_files import read
from ..sshd.config_file import COMMAND, COMMAND_USER, SshdConfig
from ..sshd.connections import ORDINARY, Connection, fulfilling
from ..sshd.drop_in import has_our_lines
from ..sshd.program import Settings, Sshd
from ..sshd.site import Site

_MAX_CONNECTIONS = 40

# The effective settings for each connection for which sshd prints them.
InForce = Dict[Connection, Settings]


class Difference(NamedTuple):
    """A setting other than our two, and its values."""

    keyword: str
    before: str
    after: str

    def text(self) -> str:
        """For a message: the setting, and what it would be instead of what it is."""
        return f"{self.keyword} {self.after} instead of {self.before}"


def connections(config: SshdConfig) -> List[Connection]:
    """An ordinary one, and one for each Match block."""
    found = dict.fromkeys([ORDINARY, *(fulfilling(block.match or "") for block in config.blocks())])
    return list(found)[:_MAX_CONNECTIONS]


def observe(sshd: Sshd, among: List[Connection]) -> InForce:
    """The effective settings with the files as they are."""
    found = {}
    for connection in among:
        try:
            found[connection] = sshd.settings(connection)
        except MachineError:
            continue  # it would not answer a login from there either
    return found


def would_be(sshd: Sshd, config: SshdConfig, among: List[Connection]) -> InForce:
    """The settings that would be effective with `config` in place of the files.

    Raises MachineError where no copy of it can be written.
    """
    with _folder() as folder:
        try:
            path = config.copy_to(folder)
        except OSError as error:
            raise MachineError(config.path, f"no copy of it can be written to test it ({error})") from error
        return observe(Sshd(sshd.program, path), among)


def _folder() -> tempfile.TemporaryDirectory[str]:
    """A private folder, in memory where possible: a disk may be full."""
    try:
        return tempfile.TemporaryDirectory(prefix="eic-sshd.", dir="/run" if os.access("/run", os.W_OK) else None)
    except OSError as error:
        raise MachineError("sshd's configuration", f"no folder for a test can be made ({error})") from error


def without_our_lines(site: Site) -> InForce:
    """The effective settings, with or without our lines. Raises MachineError."""
    config = site.sshd_config(site.drop_ins_without_our_lines())
    among = connections(config)
    if not any(has_our_lines(read(path) or "") for path in site.our_drop_ins):
        return observe(site.sshd, among)
    return would_be(site.sshd, config, among)


def difference(before: InForce, after: InForce) -> Optional[Difference]:
    """The first setting other than our two that differs, for a connection in both; None if there is none."""
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
