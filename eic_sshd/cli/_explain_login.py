# SPDX-License-Identifier: Apache-2.0
"""The login that `eic-sshd explain` explains, as sshd would ask for it: user, key, and the uid if sshd passes it."""

from __future__ import annotations

import os
import pwd
from typing import Callable, Optional, Tuple

from ..config.schema import Config
from ..host.errors import MachineError
from ..host.timed_calls import TimedCalls
from ..imds.saved import Save
from ..invocation import Invocation
from ..model.value import Value
from ..sshd import commands
from ..sshd.drop_in import is_ours, passes_uid
from ..sshd.processes import Processes
from ..sshd.program import Sshd
from ..sshd.site import Site

_ACCOUNT_TIMEOUT = 1.0  # seconds for the user to be looked up: a directory service may hang
_lookups = TimedCalls(1)

ReadCommand = Callable[[], Optional[str]]
"""Gives sshd's AuthorizedKeysCommand; None where it cannot be seen."""


class Login(Value):
    """Who logs in, with which key (None: any); and notes on what was found out of that."""

    user: str
    fingerprint: Optional[str]
    uid: Optional[int]
    notes: Tuple[str, ...] = ()

    def invocation(self, begun: float) -> Invocation:
        """The request of sshd for it, at `begun` (time.monotonic)."""
        tokens = {} if self.uid is None else {"U": str(self.uid)}
        return Invocation(self.user, self.fingerprint, begun=begun, tokens=tokens)


def login_now(user: str, fingerprint: Optional[str] = None) -> Login:
    """The login on this machine. sshd asks only for users that exist."""
    try:
        uid = _lookups.call(lambda: pwd.getpwnam(user).pw_uid, _ACCOUNT_TIMEOUT)
    except (KeyError, ValueError):
        return Login(
            user,
            fingerprint,
            None,
            (f"There is no user {user[:64]} on this machine, so sshd does not run eic-sshd for that user.",),
        )
    except OSError as error:
        return Login(user, fingerprint, None, (f"The uid of {user[:64]} could not be looked up: {error}.",))
    return Login(user, fingerprint, uid)


def login_again(before: Save, user: Optional[str], fingerprint: Optional[str]) -> Login:
    """The saved login, or that of another user or key on the same answers."""
    if user is None:
        return Login(before.user, before.fingerprint, before.uid)
    return Login(user, fingerprint, before.uid if user == before.user else None)


def as_sshd_asks(login: Login, config: Config, read_command: ReadCommand) -> Login:
    """The login without its uid if sshd does not pass the uid, which matters only if there is a [policy]."""
    if not config.policy or login.uid is None:
        return login
    command = read_command()
    if command is None:
        note = "Whether sshd passes the uid was not seen. If it does not, [policy] treats every user as root."
        return login._replace(notes=(*login.notes, note))
    if is_ours(command) and not passes_uid(command):
        note = (
            "sshd's AuthorizedKeysCommand does not pass the uid, so [policy] treats every user as root. Run "
            "`eic-sshd enable`, or add --token U=%U to a line of your own."
        )
        return login._replace(uid=None, notes=(*login.notes, note))
    return login


def sshd_command() -> Optional[str]:
    """The AuthorizedKeysCommand of this machine's sshd; None where it cannot be seen, as without root."""
    if os.geteuid() != 0:
        return None
    try:
        return commands.in_force(Site(Sshd(), Processes()))[0]
    except (MachineError, OSError):
        return None
