# SPDX-License-Identifier: Apache-2.0
"""Whether anyone could log in over SSH while pushed keys are not available."""

from __future__ import annotations

import os
import pwd
import re
import stat
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
_MAX_BYTES = 256 * 1024  # of a file of keys
# PermitRootLogin: with these, no key opens a session of root.
_NO_ROOT_SESSION = ("no", "forced-commands-only")
_KEY = r"(?:ssh|ecdsa|sk)-[A-Za-z0-9@.-]+[ \t]+[A-Za-z0-9+/]{24,}={0,2}(?:\s|$)"
_QUOTED = r'"(?:\\"|[^"])*"'


class OtherLogins(NamedTuple):
    """sshd's `effective` settings, our `fallback`, and the users with a key on disk that opens a session."""

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
        "without IMDS nobody can log in: no user has a key on disk that opens a session, and every other method is off",
        "Put a key into an authorized_keys file, or set [fallback] keys_file, or check that the serial console or "
        "Session Manager works",
    )


def users_with_keys(effective: Mapping[str, str], root: str = "/") -> Sequence[str]:
    """The users who have a key in a file of AuthorizedKeysFile that opens a session, as far as this process can see."""
    if effective.get("pubkeyauthentication", "yes").lower() == "no":
        return []
    root_may = effective.get("permitrootlogin", "prohibit-password").lower() not in _NO_ROOT_SESSION
    patterns = effective.get("authorizedkeysfile", ".ssh/authorized_keys").split()
    entries = [entry for entry in pwd.getpwall()[:_MAX_USERS] if entry.pw_uid != 0 or root_may]
    return [entry.pw_name for entry in entries if any(_has_keys(entry, one, root) for one in patterns)]


def _has_keys(entry: pwd.struct_passwd, pattern: str, root: str) -> bool:
    """sshd_config(5), TOKENS: %h, %u and %U; a path that is not absolute begins at the home folder."""
    if pattern == "none":
        return False
    for token, value in (("%h", entry.pw_dir), ("%u", entry.pw_name), ("%U", str(entry.pw_uid)), ("%%", "%")):
        pattern = pattern.replace(token, value)
    path = os.path.join(root, os.path.join(entry.pw_dir, pattern).lstrip("/"))
    return any(opens_a_session(line) for line in _text(path).splitlines())


def _text(path: str) -> str:
    """The begin of the plain file at `path`; empty if it cannot be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return ""
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return file.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def opens_a_session(line: str) -> bool:
    """Whether a `line` of authorized_keys has a key without a command that runs in place of a session (sshd(8)).

    An image's root has a key with one that prints a message, written by cloud-init.
    """
    text = line.strip()
    if re.match(_KEY, text):
        return True
    options = re.match(rf"(?:{_QUOTED}|[A-Za-z0-9=,-])+", text)
    if options is None or not re.match(_KEY, text[options.end() :].strip()):
        return False
    names = re.sub(_QUOTED, "", options.group()).lower().split(",")
    return "command=" not in names
