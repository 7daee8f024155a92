# SPDX-License-Identifier: Apache-2.0
"""Whether anyone could log in over SSH while pushed keys are not available."""

from __future__ import annotations

import os
import pwd
from typing import Iterator, Mapping, NamedTuple, Sequence

from ..config.schema import FallbackSettings
from .finding import Finding, ok, warning

_METHODS = {
    "passwordauthentication": "passwords",
    "kbdinteractiveauthentication": "keyboard-interactive",
    "gssapiauthentication": "GSSAPI",
    "hostbasedauthentication": "host keys",
}
_MAX_USERS = 200


class OtherLogins(NamedTuple):
    """sshd's `effective` settings, our `fallback`, and the users with a file of keys that sshd reads."""

    effective: Mapping[str, str]
    fallback: FallbackSettings
    users_with_keys: Sequence[str]


def findings(facts: OtherLogins) -> Iterator[Finding]:
    """A warning if there is no other login method; a finding OK if there is one."""
    methods = [name for keyword, name in _METHODS.items() if facts.effective.get(keyword, "no").lower() == "yes"]
    if facts.users_with_keys:
        methods.insert(0, f"keys on disk ({', '.join(facts.users_with_keys[:3])})")
    if facts.fallback.when != "never" and facts.fallback.keys_file:
        methods.insert(0, "[fallback] keys_file")
    if facts.effective.get("trustedusercakeys", "none").lower() != "none":
        methods.append("certificates")
    if methods:
        yield ok("other-logins", "sshd", f"other login methods: {', '.join(methods)}")
        return
    yield warning(
        "no-other-login",
        "sshd",
        "without IMDS nobody can log in: no user has a key on disk, and every other method is off",
        "Put a key into an authorized_keys file, or set [fallback] keys_file, or check that the serial console or "
        "Session Manager works",
    )


def users_with_keys(effective: Mapping[str, str], root: str = "/") -> Sequence[str]:
    """The users who have a file of AuthorizedKeysFile that is not empty, as far as this process can see."""
    patterns = effective.get("authorizedkeysfile", ".ssh/authorized_keys").split()
    entries = pwd.getpwall()[:_MAX_USERS]
    return [entry.pw_name for entry in entries if any(_has_keys(entry, one, root) for one in patterns)]


def _has_keys(entry: pwd.struct_passwd, pattern: str, root: str) -> bool:
    """sshd_config(5), TOKENS: %h, %u and %U; a path that is not absolute begins at the home folder."""
    if pattern == "none":
        return False
    for token, value in (("%h", entry.pw_dir), ("%u", entry.pw_name), ("%U", str(entry.pw_uid)), ("%%", "%")):
        pattern = pattern.replace(token, value)
    path = os.path.join(root, os.path.join(entry.pw_dir, pattern).lstrip("/"))
    try:
        return os.path.getsize(path) > 0
    except OSError:
        return False
