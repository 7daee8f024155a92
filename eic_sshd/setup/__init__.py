# SPDX-License-Identifier: Apache-2.0
"""Having sshd ask eic-sshd, and no longer: what `eic-sshd enable` and `eic-sshd disable` do to a machine.

Only files of our own are written and taken away; a site's own lines stay as they are. sshd tests every change before
anything is reloaded, and one that it does not take is put back.
"""

from ..host.errors import MachineError


class Unfinished(Exception):
    """What can be done is done; says what is left to do."""


class Refused(MachineError):
    """It can't be done, and nothing is changed; says why, and the way out."""


class StillAsks(Refused):
    """An sshd may go on asking eic-sshd."""
