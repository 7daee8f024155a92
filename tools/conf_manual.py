# SPDX-License-Identifier: Apache-2.0
"""eic-sshd.conf(5), made from the settings, in mdoc(7)."""

from __future__ import annotations

import re
import textwrap
from typing import Iterator, List

from eic_sshd.config.schema import SETTINGS, Setting

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
.Pa /etc/eic-sshd/eic-sshd.conf
and, on top of it and in the order of their names, the files in
.Pa /etc/eic-sshd/conf.d
whose names end in
.Ql .conf .
A setting that is named in several files has the value that was read last.
.Pp
The files have sections,
.Ql [section] ,
and in them lines
.Ql key = value .
Lines that begin with
.Ql #
are comments.
Like the files of
.Xr sshd 8 ,
these and the folders above them must belong to root and must not be writable
by others; so must every symbolic link and folder on the way to where a link
leads.
A folder with the sticky bit, as
.Pa /tmp ,
is no exception.
The same holds for every file that they name, but for the log.
.Pp
An invalid configuration
.Pq an unknown section or key, or a value that a key does not take
is named with file and line, and until it is mended no pushed key is handed out.
Keys on disk that
.Xr sshd 8
reads itself are not touched by that, nor is a chained command, unless it is the
setting that is invalid, or stands in a file that can't be read as a whole.
.Ic eic-sshd check-config
says whether the configuration is valid and what is in force;
.Ic systemctl try-reload-or-restart eic-sshd
has the resident authorizer take a change over.
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
and taken away by
.Ic eic-sshd disable .
.El
.Sh EXAMPLES
A way in for when pushed keys can't be had, where
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
_ABOUT = {
    "imds": "The instance metadata service.",
    "instance": "The machine this is.",
    "keys": "Which keys may log in.",
    "trust": "Whom a pushed key must be signed by.",
    "service": "The resident authorizer.",
    "fallback": "Keys on disk, for sites whose sshd reads none itself. A line with options is passed over: without "
    "them it would allow more.",
    "chain": "The command that a site had before. It runs after eic-sshd's own answer, as sshd would have run it: as "
    "the AuthorizedKeysCommandUser, with PATH, USER, LOGNAME, HOME and sshd's LANG for an environment, and with "
    "EIC_SSHD_CHAINED, by which eic-sshd knows itself again. Its parent is eic-sshd. What it prints goes to sshd if "
    "it ends with status 0. It has what is left of the deadline, and always a third of it, and may print 16 MiB: for a "
    "directory that is slow, make the deadline longer. Where the resident authorizer hangs, both together may take a "
    "second more. It is not run where the key that sshd asks for is granted already.",
    "log": "Where to say what was decided, and why.",
}


def conf_manual() -> str:
    """docs/man/eic-sshd.conf.5."""
    lines: List[str] = [_HEAD.strip()]
    for section in dict.fromkeys(setting.section for setting in SETTINGS):
        lines += [f".Ss {section}", *_sentences(_ABOUT[section]), ".Bl -tag -width Ds"]
        for setting in SETTINGS:
            if setting.section == section:
                lines += _item(setting)
        lines.append(".El")
    return "\n".join([*lines, _TAIL.strip()]) + "\n"


def _item(setting: Setting) -> Iterator[str]:
    yield f".It Cm {setting.key}"
    yield from _sentences(setting.help)
    if setting.default:
        yield "The default is"
        yield f".Ql {setting.default} ."
    else:
        yield "There is none by default."


def _sentences(text: str) -> Iterator[str]:
    """Each sentence on a line of its own, as mdoc(7) wants it; what stands in backquotes is literal."""
    for sentence in re.split(r"(?<=[.]) (?=[A-Z0-9`])", text.replace("\\", "\\e")):
        parts = re.split(r" ?`([^`]*)`([.,;:)]*) ?", sentence)
        for index in range(0, len(parts) - 1, 3):
            yield from textwrap.wrap(parts[index], _WIDTH)
            yield f".Ql {parts[index + 1]} {parts[index + 2]}".rstrip()
        yield from textwrap.wrap(parts[-1], _WIDTH)
