# SPDX-License-Identifier: Apache-2.0
"""Makes the journal's catalogue (systemd.io/CATALOG): what `journalctl -x` prints below a record."""

from __future__ import annotations

import re
import textwrap
from typing import Iterator

from eic_sshd.decide.chained_command import MESSAGE_ID
from eic_sshd.model.outcome import Outcome
from eic_sshd.model.reasons import Reason

_HEAD = """\
# SPDX-License-Identifier: Apache-2.0
# Made from eic_sshd/model/reasons.py by `make docs`.
"""

_ABOUT = {
    Outcome.GRANTED: (
        "A pushed key was handed to sshd",
        "A key that was pushed through EC2 Instance Connect passed every check, and sshd received it. sshd's own "
        "record (Accepted publickey) shows whether it logged in.",
    ),
    Outcome.NONE: (
        "sshd received no pushed key: there was none",
        "sshd's other login methods remain, such as keys on disk.",
    ),
    Outcome.REFUSED: (
        "sshd received no pushed key: a check failed",
        "sshd's other login methods remain, such as keys on disk.",
    ),
    Outcome.FALLBACK: (
        "sshd received keys on disk in place of pushed keys",
        "The keys are those of [fallback] keys_file.",
    ),
    Outcome.ERROR: (
        "sshd received no pushed key: a check was not possible",
        "sshd's other login methods remain, such as keys on disk.",
    ),
}

# No field is filled in (@EIC_REASON@): any user can write a record with these fields, and journalctl prints what it
# fills in as it is, with control characters (seen with systemd 252). The message, which it escapes, has the reason.
_WHERE = (
    "All about each reason: /usr/share/doc/eic-sshd/docs/reasons.md. Any user can write a record like this one; "
    "`eic-sshd log` counts only genuine ones."
)
_CHAINED = """\
sshd's other login methods remain. With a warning, sshd received nothing of the
command's output, and the message has the reason. The command is the one of
[chain] in the configuration, which `eic-sshd enable --chain` writes.
"""
_WIDTH = 78


def catalog() -> str:
    """The text of systemd/catalog/eic-sshd.catalog: an entry for each kind of record."""
    parts = [_HEAD, *(_entry(outcome) for outcome in Outcome)]
    title = "The AuthorizedKeysCommand behind eic-sshd ended"
    return "\n".join([*parts, _header(MESSAGE_ID, title, "eic-sshd.conf(5)") + _CHAINED])


def _entry(outcome: Outcome) -> str:
    title, about = _ABOUT[outcome]
    reasons = [reason for reason in Reason if reason.outcome is outcome]
    lines = [_header(outcome.message_id, title, "eic-sshd(8)"), _filled(about), "\n"]
    if len(reasons) == 1:
        return "".join([*lines, _filled(f"What to do: {reasons[0].remedy}"), "\n", _filled(_WHERE)])
    remedies = (line for reason in reasons for line in _remedy(reason))
    head = "What to do, by the reason at the end of the message:\n\n"
    return "".join([*lines, head, *remedies, "\n", _filled(_WHERE)])


def _remedy(reason: Reason) -> Iterator[str]:
    """Its first sentence: more is in the document."""
    first = re.split(r"(?<=[.]) (?=[A-Z`])", reason.remedy)[0]
    yield textwrap.fill(f"{reason.word}: {first}", _WIDTH, initial_indent="- ", subsequent_indent="  ") + "\n"


def _header(message_id: str, title: str, page: str) -> str:
    return f"-- {message_id}\nSubject: {title}\nDefined-By: eic-sshd\nDocumentation: man:{page}\n\n"


def _filled(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"
