# SPDX-License-Identifier: Apache-2.0
"""One question of sshd, as it goes from the command's arguments to the decision.

Every login imports this module, so it imports nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing is slow to load
    from typing import Dict, Final, Mapping, Optional

CHAINED_MARK = "EIC_SSHD_CHAINED"
"""This variable is in the environment of a chained command: what it starts must not run it again."""


class Invocation:
    """sshd asks whether the key with `fingerprint` (any key, if None) may log in as `user`.

    `begun` is when the command started, in seconds of time.monotonic: the time of the decision runs from there.
    `sshd_pid` is the sshd process that started the command. `config_file` is None for the packaged configuration, and
    `socket_path` "none" where no daemon is to be asked.

    `tokens` has the values that only sshd knows (`%k`: {"k": ...}): [policy] needs the uid, and a chained command may
    need all of them. `language` is sshd's LANG, for that command. `in_chain` is whether that command itself asks.
    `is_retry` is whether a first process failed.

    It is immutable. (Other kinds of value are slow to load: docs/decisions/02-values.md.)
    """

    __slots__ = (
        "begun", "config_file", "fingerprint", "in_chain", "is_retry", "language", "socket_path", "sshd_pid", "tokens",
        "user",
    )  # fmt: skip

    def __init__(
        self,
        user: str,
        fingerprint: "Optional[str]" = None,
        sshd_pid: "Optional[int]" = None,
        *,
        begun: float,
        config_file: "Optional[str]" = None,
        socket_path: str = "none",
        tokens: "Optional[Mapping[str, str]]" = None,
        language: "Optional[str]" = None,
        in_chain: bool = False,
        is_retry: bool = False,
    ) -> None:
        self.user: Final[str] = user
        self.fingerprint: Final[Optional[str]] = fingerprint
        self.sshd_pid: Final[Optional[int]] = sshd_pid
        self.begun: Final[float] = begun
        self.config_file: Final[Optional[str]] = config_file
        self.socket_path: Final[str] = socket_path
        self.tokens: Final[Dict[str, str]] = dict(tokens or {})
        self.language: Final[Optional[str]] = language
        self.in_chain: Final[bool] = in_chain
        self.is_retry: Final[bool] = is_retry

    @property
    def uid(self) -> "Optional[int]":
        """The uid of `user`, as sshd knows it; None if sshd did not pass it."""
        text = self.tokens.get("U", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None
