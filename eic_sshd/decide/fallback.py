# SPDX-License-Identifier: Apache-2.0
"""On-disk keys, for sites with `AuthorizedKeysFile none` that need a login method when pushed keys are unavailable."""

from __future__ import annotations

import re
from typing import Callable, List, Optional, Tuple

from ..config.schema import Config, FallbackSettings
from ..host import trusted_files
from ..host.timed_calls import TimedCalls
from ..model import public_key
from ..model.public_key import KeyPolicy, PublicKey
from ..model.reasons import NotGranted, Reason

_LIMIT = 256 * 1024
# Seconds for the file to be read: it may be on a network file system, and nothing else limits that.
_TIMEOUT = 1.0
_reads = TimedCalls(16)

# [users] denies or skips the user, or that could not be found out.
_NEVER = frozenset({Reason.USER_FORBIDDEN, Reason.USER_SKIPPED, Reason.USER_GROUPS_UNKNOWN, Reason.SKIP_GROUPS_UNKNOWN})

Read = Callable[[str], bytes]
"""Gives the content of the file at a path; raises OSError, trusted_files.UntrustedFile."""


class NoKeys(Exception):
    """The keys file has no key for this login; the message has the reason."""


KeysOnDisk = Callable[[str, Optional[str], NotGranted], Tuple[PublicKey, ...]]
"""Gives the keys on disk for (user, fingerprint) where no pushed key is granted; raises NoKeys."""


class KeysFile:
    """The keys of `[fallback] keys_file`, as far as `policy` allows them. `read` gives a file's content."""

    def __init__(self, settings: FallbackSettings, policy: KeyPolicy, read: Optional[Read] = None) -> None:
        self._settings = settings
        self._policy = policy
        self._read = read or (lambda path: trusted_files.read(path, _LIMIT, owners=(0,)))

    def __call__(self, user: str, fingerprint: Optional[str], refusal: NotGranted) -> Tuple[PublicKey, ...]:
        """The keys for `user` that have `fingerprint` (all, if None), given why no pushed key was granted."""
        if self._settings.keys_file is None or not self._applies(refusal.reason):
            raise NoKeys("")
        path = _path(self._settings.keys_file, user)
        try:
            content = _reads.call(lambda: self._read(path), _TIMEOUT)
        except OSError as error:
            raise NoKeys(f"fallback {path}: {error.strerror or error}") from error
        except trusted_files.UntrustedFile as error:
            raise NoKeys(f"fallback: {error}") from error
        keys = [key for line in content.split(b"\n") for key in self._allowed(line)]
        wanted = [key for key in keys if fingerprint is None or key.has_fingerprint(fingerprint)]
        if not wanted:
            raise NoKeys(f"fallback {path} has no such key without options")
        return tuple(dict.fromkeys(wanted))

    def _applies(self, reason: Reason) -> bool:
        if reason in _NEVER:
            return False
        if self._settings.when == "no-key":
            return True
        return self._settings.when == "unavailable" and reason.unavailable

    def _allowed(self, line: bytes) -> List[PublicKey]:
        """The key on `line`, if it has one. Keys with options are skipped: without these they would allow more."""
        try:
            key = public_key.parse(line.strip())
            self._policy.verify(key)
        except (public_key.MalformedKey, public_key.ForbiddenType, public_key.TooShort):
            return []
        return [key]


def configured(config: Config) -> KeysFile:
    """The fallback that `config` sets."""
    return KeysFile(config.fallback, config.keys.policy)


def _path(pattern: str, user: str) -> str:
    if "/" in user or "\0" in user or user.startswith("."):
        raise NoKeys(f"fallback: the user name {user!r} cannot be part of a path")
    return re.sub("%([u%])", lambda token: user if token.group(1) == "u" else "%", pattern)
