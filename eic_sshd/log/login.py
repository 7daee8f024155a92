# SPDX-License-Identifier: Apache-2.0
"""How a user logged in, and whether a grant of eic-sshd allowed it."""

from __future__ import annotations

from typing import Mapping, Optional, Sequence

from .connection import Attempt, By, Evidence, Login
from .names import UidOf, are_of_one_account
from .sshd_lines import Line

_BY = {"granted": By.PUSHED_KEY, "fallback": By.FALLBACK_FILE}


def login(
    at: int,
    lines: Sequence[Line],
    attempts: Sequence[Attempt],
    account: Optional[str],
    places: Mapping[str, str],
    uid_of: UidOf,
) -> Login:
    """The login at `at`, by sshd's `lines` about the methods that it accepted: none with `LogLevel ERROR`.

    `account` is the user, as sshd and PAM name it; `places` has the places of keys, by their fingerprints.
    """
    keys = [line for line in lines if line.method == "publickey" and line.fingerprint]
    plain = [line.fingerprint or "" for line in keys if not line.is_certificate]
    grants = [one for one in attempts if one.decision in _BY]
    if lines and not any(one.startswith("MD5:") for one in plain):  # a grant has no MD5 fingerprint
        grants = [one for one in grants if set(plain) & set(one.fingerprints)]
    else:
        grants = [one for one in grants if account is not None and are_of_one_account(one.user, account, uid_of)]
    grant = max(grants, key=lambda one: one.last, default=None)
    granted = grant.fingerprints if grant else ()
    named = [one for one in plain if one in granted]
    fingerprint = keys[-1].fingerprint if keys else None
    if grant:
        fingerprint = named[-1] if named else ", ".join(granted)
    return Login(
        at=at,
        by=_BY[grant.decision] if grant else By.OTHER,
        methods=tuple(line.method or "" for line in lines),
        fingerprint=fingerprint,
        key_place=places.get(fingerprint or ""),
        grant=grant,
        evidence=(Evidence.ACCEPTED_LINE if named else Evidence.SESSION_ONLY) if grant else None,
    )
