#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""What sshd runs: prints the public keys that may log in as USER, or nothing (sshd_config(5), AuthorizedKeysCommand).

It runs at each public-key attempt, so starting it must cost next to nothing: nothing is imported here that is not built
into the interpreter, until this process must decide by itself. `-I` keeps the environment out, `-S` the site packages.

Exit status: 0 whatever was decided, with nothing printed if anything went wrong, so that sshd goes on to its other ways
in; 2 for wrong arguments.
"""

import posix
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing is slow to load
    from types import ModuleType

USAGE = "usage: authorized-keys [--socket PATH|none] [--config FILE] USER [FINGERPRINT]"
SOCKET = "/run/eic-sshd/authorize.sock"
# Seconds to wait for the authorizer until it has said how long its answer may take.
PATIENCE = 2.5


def main(arguments: list[str]) -> int:
    parsed = parse(arguments)
    if parsed is None:
        to_syslog("wrong arguments from sshd, no keys given: AuthorizedKeysCommand must end in `%u %f`")
        write((USAGE + "\n").encode(), 2)
        return 2
    user, fingerprint, config, path = parsed
    try:
        answer = ask(user, fingerprint, config, path) if path != "none" else None
        if answer is None:
            answer = cold().decide(user, fingerprint, config)
    except BaseException as error:  # I1: never a traceback, never half an answer
        answer = give_up(user, fingerprint, config, error)
    write(answer)
    return 0


def parse(arguments: list[str]) -> "tuple[str, str | None, str | None, str] | None":
    """(user, fingerprint or None, config file or None, socket), or None for wrong arguments."""
    options = {"--socket": SOCKET, "--config": None}
    rest = list(arguments)
    while rest and rest[0].startswith("--"):
        name, equals, value = rest.pop(0).partition("=")
        if name == "--" and not equals:
            break
        if name not in options or not (equals or rest):
            return None
        options[name] = value if equals else rest.pop(0)
    if len(rest) not in (1, 2) or not rest[0] or not options["--socket"] or options["--config"] == "":
        return None
    return rest[0], (rest[1] if len(rest) == 2 else "") or None, options["--config"], options["--socket"]


class NoWholeAnswer(Exception):
    """The authorizer took the question and then failed."""


def ask(user: str, fingerprint: "str | None", config: "str | None", path: str) -> "bytes | None":
    """The authorizer's whole answer; None where there is none, or it will not answer. wire.py has the layout."""
    import _socket

    fields = ("1", user, fingerprint or "", str(posix.getppid()), config or "")
    request = b"\0".join(field.encode("utf-8", "surrogateescape") for field in fields)
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    until = time.monotonic() + PATIENCE
    said = b""
    try:
        connection.settimeout(PATIENCE)
        connection.connect(path)
        peer = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
        folder = posix.stat(path.rpartition("/")[0] or ".")
        if int.from_bytes(peer[4:8], sys.byteorder) not in (0, posix.geteuid(), folder.st_uid):
            return None  # who listens is not root (systemd), this user or the folder's owner: unix(7), struct ucred
        connection.send(len(request).to_bytes(4, "big") + request)
        more = b"..."
        while more:
            connection.settimeout(max(until - time.monotonic(), 0.001))
            more = connection.recv(65536)
            if len(said) < 5 <= len(said + more):
                until += int.from_bytes((said + more)[1:5], "big") / 1000 - PATIENCE
            said += more
    except _socket.timeout:
        raise NoWholeAnswer("no answer in time") from None
    except OSError:
        if not said:
            return None
    finally:
        connection.close()
    if said and (said[:1] != b"W" or said[5:6] != b"K" or len(said) - 10 != int.from_bytes(said[6:10], "big")):
        raise NoWholeAnswer("the answer broke off")
    return said[10:] if said else None


def give_up(user: str, fingerprint: "str | None", config: "str | None", error: BaseException) -> bytes:
    """Say why there was no decision, where the configuration names a log, or at least in syslog."""
    try:
        answer: bytes = cold().give_up(user, fingerprint, config, error, isinstance(error, NoWholeAnswer))
        return answer
    except BaseException as unrecorded:
        to_syslog("no keys given to %r: %r (and no record of it: %r)" % (user, error, unrecorded))
        return b""


def cold() -> "ModuleType":
    """The slow way's module, from the folder that this file lies in."""
    sys.path.append(__file__.rpartition("/")[0])
    from eic_sshd import cold

    return cold


def to_syslog(text: str) -> None:
    """The last resort; a syslog that is stuck or absent is not waited for. <83> is authpriv.err (RFC 3164)."""
    import _socket

    logger = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    logger.settimeout(0.2)
    try:
        logger.connect("/dev/log")
        logger.send(("<83>eic-sshd[%d]: %s" % (posix.getpid(), text)).encode("utf-8", "backslashreplace"))
    except OSError:
        return  # there is no place left to say it
    finally:
        logger.close()


def write(answer: bytes, descriptor: int = 1) -> None:
    """The whole answer at once: sshd reads all of it or none (I2)."""
    try:
        while answer:
            answer = answer[posix.write(descriptor, answer) :]
    except OSError:
        return  # sshd went away (its client did, or LoginGraceTime passed): there is nobody left to tell


if __name__ == "__main__":
    posix._exit(main(sys.argv[1:]))
