# SPDX-License-Identifier: Apache-2.0
"""The key that `eic-sshd explain` is asked about: a fingerprint, a file with a public key, or standard input.

Users give private keys by mistake. They are refused, and nothing of their text is in any message.
"""

from __future__ import annotations

import os
import re
import stat
from typing import List

from ..host.errors import MachineError
from ..log.record import clean
from ..model import public_key

_LIMIT = 64 * 1024  # bytes
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}|MD5:([0-9a-f]{2}:){15}[0-9a-f]{2}")
# PEM (RFC 7468) and OpenSSH; PuTTY; ssh.com (as in RFC 4716); SSH protocol 1; JSON Web Keys are no keys for sshd.
_PRIVATE = re.compile(
    r"BEGIN [A-Z0-9 ]*PRIVATE KEY|PRIVATE KEY-----|PuTTY-User-Key-File-|Private-(Lines|MAC|Hash)\b|SSH PRIVATE KEY FILE"
)
# The first bytes of "openssh-key-v1" in base64: the body of a private key whose frame is missing.
_OPENSSH_BODY = "b3BlbnNzaC1rZXktdjE"
_LINE = re.compile(r"[A-Za-z0-9+/]{44,}")
# The last line of a key may be short; a word that is shorter than this is the name of a file.
_LAST_LINE = re.compile(r"[A-Za-z0-9+/]{14,}={0,2}")
_MAX_PATH = 255  # characters of a path that a message repeats
_PUBLIC_FORMATS = (
    ("---- BEGIN SSH2 PUBLIC KEY", "ssh-keygen -i -f FILE"),
    ("-----BEGIN PUBLIC KEY", "ssh-keygen -i -m PKCS8 -f FILE"),
    ("-----BEGIN RSA PUBLIC KEY", "ssh-keygen -i -m PEM -f FILE"),
)


def fingerprint_of(argument: str) -> str:
    """The fingerprint that `argument` names. Raises MachineError."""
    if is_private(argument):
        raise _private("the argument")
    if _FINGERPRINT.fullmatch(argument):
        return argument
    if argument.startswith(("SHA256:", "MD5:")):
        problem = "it is not a whole one: SHA256: and 43 characters of base64, or MD5: and 16 pairs of digits"
        raise MachineError("the fingerprint", problem, "Use one that `ssh-keygen -lf FILE.pub` prints")
    return _key(_subject(argument), _read(argument)).fingerprint


def is_private(text: str) -> bool:
    """Whether `text` is, or begins as, a private key."""
    return _PRIVATE.search(text) is not None or _OPENSSH_BODY in text


def may_be_private(argument: str) -> bool:
    """Whether the argument is a private key, or has a line that may be one of a key whose frame is missing."""
    return is_private(argument) or any(map(_has_line, argument.split()))


def _has_line(word: str) -> bool:
    """Whether a part of the word may be a line of a key; an ARN has none, and a path whose folder exists."""
    return not word.startswith("arn:") and not _is_path(word) and any(map(_is_random, _LINE.findall(word)))


def _is_random(text: str) -> bool:
    """Whether the text can be base64 of random bytes: letters of one case only cannot."""
    return text.upper() != text != text.lower()


def _is_path(word: str) -> bool:
    folder = os.path.dirname(word)
    return os.path.lexists(word) or (folder.strip("/") != "" and os.path.isdir(folder))


def _read(argument: str) -> str:
    """The text of standard input for `-`, or else of the file `argument`. It does not wait for a pipe's writer."""
    subject = _subject(argument)
    try:
        file = os.dup(0) if argument == "-" else os.open(argument, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(file, "rb") as opened:
            if argument != "-" and not stat.S_ISREG(os.fstat(file).st_mode):
                raise MachineError(subject, "it is not a plain file", "For a pipe, use - and standard input")
            content = opened.read(_LIMIT + 1)
    except (OSError, ValueError) as error:
        remedy = "Give a fingerprint (SHA256:...), the file of a public key, or - for standard input"
        raise MachineError(subject, str(getattr(error, "strerror", None) or error), remedy) from None
    text = content.decode("utf-8", "replace")
    if is_private(text):
        raise _private(subject)
    if len(content) > _LIMIT:
        raise MachineError(subject, f"it is longer than {_LIMIT} bytes", "Give the file of one public key")
    return text


def _subject(argument: str) -> str:
    """How a message names the argument: not by its text, if that may be a line of a private key."""
    if argument == "-":
        return "standard input"
    is_line = may_be_private(argument) or (_LAST_LINE.fullmatch(argument) and _is_random(argument))
    if (not is_line and len(argument) <= _MAX_PATH) or os.path.lexists(argument) or _is_path(argument):
        return clean(argument)
    return "the argument (not shown: it may be a line of a private key)"


def _key(subject: str, text: str) -> public_key.PublicKey:
    """The one key in `text`."""
    for begin, command in _PUBLIC_FORMATS:
        if begin in text:
            raise MachineError(subject, "it has a public key in another format than OpenSSH's", f"Run `{command}`")
    keys = _lines(text)
    if len(keys) != 1:
        raise MachineError(subject, f"it has {len(keys)} lines with keys, not one", "Give one line: TYPE BASE64")
    try:
        key = public_key.parse(keys[0].encode("utf-8", "replace"))
    except public_key.MalformedKey as problem:
        remedy = "Give a line as ssh-keygen writes it to a .pub file, without options"
        raise MachineError(subject, f"it is not an OpenSSH public key: {problem}", remedy) from None
    if "-cert-v" in key.key_type:
        raise MachineError(subject, "it is a certificate", "Give the file of its public key (FILE.pub)")
    return key


def _lines(text: str) -> List[str]:
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def _private(subject: str) -> MachineError:
    problem = "it is a private key, which nobody but its owner may read"
    return MachineError(subject, problem, "Give its public key: the .pub file, or what `ssh-keygen -yf FILE` prints")
