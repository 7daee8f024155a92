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

    from .cold import Asked, Question

USAGE = "usage: authorized-keys [--socket PATH|none] [--config FILE] [--token NAME=VALUE]... USER [FINGERPRINT]"
SOCKET = "/run/eic-sshd/authorize.sock"
# Seconds to wait for the authorizer until it has said how long its answer may take. What is then left of a decision's
# three is enough to make it here.
PATIENCE = 2.0


def main(arguments: list[str]) -> int:
    again = arguments[:1] == ["--again"]
    parsed = parse(arguments[again:])
    if parsed is None:
        to_syslog("wrong arguments from sshd, no keys given: AuthorizedKeysCommand must end in `%u %f`")
        write((USAGE + "\n").encode(), 2)
        return 2
    path, question, tokens = parsed
    asked = (question, tokens, time.monotonic(), again)
    answer = None
    try:
        answer, chained = ask(path, question) if path != "none" else (None, False)
        if answer is None:
            answer = cold().decide(asked)
        elif chained:
            answer += cold().chain(asked)
    except BaseException as error:  # I1: never a traceback, never half an answer
        if not again and not isinstance(error, NoAnswerInTime):
            once_more(arguments)
        answer = answer or give_up(asked, error)
    write(answer)
    return 0


def parse(arguments: list[str]) -> "tuple[str, Question, dict[str, str]] | None":
    """The socket, the question and sshd's tokens, or None for wrong arguments."""
    options = {"--socket": SOCKET, "--config": None, "--token": None}
    tokens = {}
    rest = list(arguments)
    while rest and rest[0].startswith("--"):
        name, equals, value = rest.pop(0).partition("=")
        if name == "--" and not equals:
            break
        if name not in options or not (equals or rest):
            return None
        options[name] = value = value if equals else rest.pop(0)
        if name == "--token":
            tokens[value[:1]] = value[2:]
    if len(rest) not in (1, 2) or not rest[0] or not options["--socket"] or options["--config"] == "":
        return None
    fingerprint = (rest[1] if len(rest) == 2 else "") or None
    return options["--socket"], (rest[0], fingerprint, options["--config"]), tokens


class NoAnswerInTime(Exception):
    """The authorizer took the question on and hangs."""


def ask(path: str, question: "Question") -> "tuple[bytes | None, bool]":
    """The authorizer's whole answer, and whether the chained command is to be run after it. wire.py has the layout.

    The answer is None where there is none, or no whole one, or the authorizer will not give one.
    """
    said = converse(path, question)
    if said == b"":  # it died, and systemd hung up on all who waited: the first of them starts another
        time.sleep(0.1)
        said = converse(path, question)
    said = said or b""
    kind, length = said[5:6], int.from_bytes(said[6:10], "big")
    whole = said[:1] == b"W" and kind in (b"K", b"C") and len(said) - 10 == length
    return said[10:] if whole else None, kind == b"C"


def converse(path: str, question: "Question") -> "bytes | None":
    """What the authorizer said until it hung up; None where there is none, or it hangs."""
    import _socket

    user, fingerprint, config = question
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
            return None  # who listens is not root (systemd), this user or the folder's owner: unix(7), ucred
        connection.send(len(request).to_bytes(4, "big") + request)
        more = b"..."
        while more:
            connection.settimeout(max(until - time.monotonic(), 0.001))
            more = connection.recv(65536)
            if len(said) < 5 <= len(said + more):
                until += int.from_bytes((said + more)[1:5], "big") / 1000 - PATIENCE
            said += more
    except _socket.timeout:
        if said:
            raise NoAnswerInTime("no answer in time") from None
        return None  # it hangs, or is not there yet: it has taken nothing on
    except OSError as error:
        if not isinstance(error, (BrokenPipeError, ConnectionResetError)):
            return None  # nobody listens, or not for us
    finally:
        connection.close()
    return said


def once_more(arguments: list[str]) -> None:
    """Begin again in a new process: a package may have been replacing this one's files at this very moment."""
    time.sleep(0.2)
    try:
        posix.execv(__file__, [__file__, "--again", *arguments])
    except (OSError, ValueError):
        return


def give_up(asked: "Asked", error: BaseException) -> bytes:
    """Say why there was no decision, where the configuration names a log, or at least in syslog."""
    try:
        answer: bytes = cold().give_up(asked, error, isinstance(error, NoAnswerInTime))
        return answer
    except BaseException as unrecorded:
        to_syslog("no keys given to %r: %r (and no record of it: %r)" % (asked[0][0], error, unrecorded))
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
