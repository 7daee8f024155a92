# SPDX-License-Identifier: Apache-2.0
"""Makes eic-sshd.conf(5) from the schema, in mdoc(7)."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Iterator, List, Sequence, Type

from eic_sshd.config.schema import SECTIONS
from eic_sshd.config.section import Section, Setting

_HEAD = r"""
.\" SPDX-License-Identifier: Apache-2.0
.\" Made from eic_sshd/config/schema.py by `make docs`.
.Dd November 22, 2026
.Dt EIC-SSHD.CONF 5
.Os
.Sh NAME
.Nm eic-sshd.conf
.Nd configuration of eic-sshd
.Sh SYNOPSIS
.Pa /etc/eic-sshd/eic-sshd.conf
.Pp
.Pa /etc/eic-sshd/conf.d/*.conf
.Sh DESCRIPTION
.Xr eic-sshd 8
reads
.Pa /etc/eic-sshd/eic-sshd.conf ,
then the files in
.Pa /etc/eic-sshd/conf.d
whose names end in
.Ql .conf ,
in the order of their names.
If several files have the same setting, the last value read is in force.
.Pp
The files have sections,
.Ql [section] ,
with lines of the form
.Ql key = value .
Lines that begin with
.Ql #
are comments.
Like the files of
.Xr sshd 8 ,
these files and the folders above them must belong to root and must not be
writable by others.
The same applies to every symbolic link and folder on the path to a link's
target, to folders with the sticky bit, such as
.Pa /tmp ,
and to every file that a setting names, except the log.
.Pp
An invalid configuration
.Pq an unknown section or key, or an invalid value
is reported with file and line, and no pushed keys are granted until it is
fixed.
Keys on disk that
.Xr sshd 8
reads itself stay valid.
A chained command runs, unless
.Ic [chain]
or
.Ic [users]
is invalid, a section seems to be meant for
.Ic [users] ,
or a file that cannot be parsed sets one of them.
.Ic [fallback]
is off if it,
.Ic [keys] ,
.Ic [users]
or a
.Ic [policy]
is invalid.
.Ic eic-sshd check-config
reports whether the configuration is valid, and the settings in force;
.Ic systemctl try-reload-or-restart eic-sshd
applies a change to the resident daemon.
.Sh SETTINGS
"""

_TAIL = r"""
.Sh FILES
.Bl -tag -width Ds
.It Pa /etc/eic-sshd/eic-sshd.conf
Every key with its default, as a comment.
.It Pa /etc/eic-sshd/conf.d/60-chain.conf
Written by
.Ic eic-sshd enable Fl Fl chain ,
and removed by
.Ic eic-sshd disable .
.El
.Sh EXAMPLES
A login method for when pushed keys are unavailable, on a site whose
.Xr sshd_config 5
has
.Ql AuthorizedKeysFile none :
.Bd -literal -offset indent
[fallback]
keys_file = /etc/eic-sshd/keys/%u
when = unavailable
.Ed
.Pp
Only security keys and Ed25519 keys:
.Bd -literal -offset indent
[keys]
types = ssh-ed25519 sk-ssh-ed25519@openssh.com
.Ed
.Sh SEE ALSO
.Xr sshd_config 5 ,
.Xr eic-sshd 8 ,
.Xr sshd 8
"""

_WIDTH = 78


def conf_manual(sections: Sequence[Type[Section]] = SECTIONS) -> str:
    """The text of docs/man/eic-sshd.conf.5."""
    lines: List[str] = [_HEAD.strip()]
    for section in sections:
        about = " ".join((inspect.getdoc(section) or "").split())
        lines += [f".Ss {_escaped(section.header('NAME'))}", *_sentences(about), ".Bl -tag -width Ds"]
        for setting in section.settings:
            lines += _item(setting)
        lines.append(".El")
    return "\n".join([*lines, _TAIL.strip()]) + "\n"


def _item(setting: Setting[object]) -> Iterator[str]:
    yield f".It Cm {setting.name}"
    yield from _sentences(setting.help)
    if setting.several_lines:
        yield "The value may continue on further lines, which are indented."
    if not setting.default:
        yield "There is no default."
        return
    yield "The default is"
    if setting.unit:
        yield f".Ql {setting.default}"
        yield f"{setting.unit}."
    else:
        yield f".Ql {setting.default} ."


def _sentences(text: str) -> Iterator[str]:
    """The sentences of `text`, each on a line of its own (mdoc(7)); text in backquotes becomes literal."""
    for sentence in re.split(r"(?<=[.]) (?=[A-Z0-9`])", _escaped(text)):
        parts = re.split(r" ?`([^`]*)`([.,;:)]*) ?", sentence)
        for index in range(0, len(parts) - 1, 3):
            yield from _lines(parts[index])
            yield f".Ql {parts[index + 1]} {parts[index + 2]}".rstrip()
        yield from _lines(parts[-1])


def _lines(text: str) -> List[str]:
    """`text` in lines that end between words only: mdoc(7) would put a blank where a line ends."""
    return textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _escaped(text: str) -> str:
    """`text` with the characters that mdoc(7) would interpret."""
    return text.replace("\\", "\\e").replace('"', "\\(dq")
