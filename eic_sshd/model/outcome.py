# SPDX-License-Identifier: Apache-2.0
"""The kinds of decisions, and the severities of their records."""

from __future__ import annotations

import enum

# syslog(3) severities.
ERR, WARNING, NOTICE, INFO, DEBUG = 3, 4, 5, 6, 7


class Outcome(enum.Enum):
    """The kind of a decision; each kind has its own journal MESSAGE_ID."""

    GRANTED = "granted"
    NONE = "none"
    REFUSED = "refused"
    FALLBACK = "fallback"
    ERROR = "error"

    @property
    def message_id(self) -> str:
        """The fixed 128-bit id by which `journalctl MESSAGE_ID=...` finds this kind."""
        return _MESSAGE_IDS[self]


_MESSAGE_IDS = {
    Outcome.GRANTED: "bcd03c2ca683407ba0beeb928eb35a5f",
    Outcome.NONE: "84069affc0614a7190a0366da71aac29",
    Outcome.REFUSED: "524aa25255634f2a9251fe41983637ef",
    Outcome.FALLBACK: "8ead89fd343c49b49a448a7ab37ab16e",
    Outcome.ERROR: "1b5dadad890b45b4a52f19587fe18ed3",
}
