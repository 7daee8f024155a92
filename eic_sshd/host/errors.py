# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on this machine, as a message for its administrator."""

from __future__ import annotations


class MachineError(Exception):
    """A program, a file or sshd itself is not as it must be for what was requested; the message names it."""
