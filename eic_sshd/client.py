# SPDX-License-Identifier: Apache-2.0
"""What sshd runs: prints the public keys that may log in as USER, or nothing (sshd_config(5), AuthorizedKeysCommand).

It runs at each public-key attempt: it imports nothing that is not built into the interpreter, until this process must
decide by itself. /usr/lib/eic-sshd/authorized-keys starts it, and starts it once more where `main` raises.

Exit status: 0 whatever was decided, with nothing printed if anything fails, so that sshd uses its other login methods;
2 for wrong arguments.
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
# Seconds from the beginning to wait for the authorizer until it says how long its answer may take. What is then left
# of a decision's three is enough to make it here.
PATIENCE = 2.0


def main(arguments: list[str], begun: float) -> int:
    """The exit status, once the answer is printed; `begun` is when this process began (time.monotonic, seconds).

    `--again MILLISECONDS` before the arguments says that it is the second try, and when the first one began. Raises
    what a second try may get over, in a new process: a package may be replacing this one's files at this moment.
    """
    again = arguments[:1] == ["--again"] and "".join(arguments[1:2]).isdigit()
    begun = int(arguments[1]) / 1000 if again else begun
    parsed = parse(arguments[2 * again :])
    if parsed is None:
        to_syslog("wrong arguments from sshd, no keys given: AuthorizedKeysCommand must end in `%u %f`")
        write((USAGE + "\n").encode(), 2)
        return 2
    path, question, tokens = parsed
    asked = (question, tokens, begun, again)
    answer, chained = None, False
    try:
        if path != "none" and not again:
            answer, chained = ask(path, question, begun)
        if answer is None:
            answer = cold().decide(asked)
        elif chained:
            answer += cold().chain(asked)
    except BaseException as error:  # I1: never a traceback, never half an answer
        if not again and not isinstance(error, NoAnswerInTime):
            raise
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


def ask(path: str, question: "Question", begun: float) -> "tuple[bytes | None, bool]":
    """The authorizer's answer, and whether to run the chained command after it: daemon/protocol.py has the layout.

    The answer is None where there is none, or no whole one, or the authorizer will not give one. One that died is asked
    again: systemd starts another, which decides for all who wait in less time than each of them would need here.
    """
    taken = False
    for attempt in range(3):
        said = converse(path, question, begun)
        if said is None:
            break
        kind, length = said[5:6], int.from_bytes(said[6:10], "big")
        if said[:1] == b"W" and kind in (b"K", b"C") and len(said) - 10 == length:
            return said[10:], kind == b"C"
        taken = taken or said[:1] == b"W"
        # One that dies before it takes anything on does so at its start: it is asked twice.
        if said[:1] not in (b"", b"W") or (attempt and not taken):
            break
        time.sleep(0.1)
    return None, False


def converse(path: str, question: "Question", begun: float) -> "bytes | None":
    """What the authorizer said until it hung up; None where there is none, or it hangs."""
    import _socket

    user, fingerprint, config = question
    started = time.monotonic()
    until = begun + PATIENCE
    fields = ["1", user, fingerprint or "", str(posix.getppid()), config or ""]
    if started - begun > 0.05:
        fields.append(str(int((started - begun) * 1000)))
    request = b"\0".join([field.encode("utf-8", "surrogateescape") for field in fields])
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    said = b""
    try:
        connection.settimeout(max(until - started, 0.001))
        connection.connect(path)
        peer = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
        folder = posix.stat(path.rpartition("/")[0] or ".")
        if not may_answer(int.from_bytes(peer[4:8], sys.byteorder), posix.geteuid(), folder.st_uid):
            return None
        connection.send(len(request).to_bytes(4, "big") + request)
        more = b"..."
        while more:
            connection.settimeout(max(until - time.monotonic(), 0.001))
            more = connection.recv(65536)
            if len(said) < 5 <= len(said + more):
                until = started + int.from_bytes((said + more)[1:5], "big") / 1000
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


def may_answer(uid: int, own: int, folder_owner: int) -> bool:
    """Whether who listens is root (systemd), our `own` user or the owner of the folder: unix(7), SO_PEERCRED."""
    return uid in (0, own, folder_owner)


def give_up(asked: "Asked", error: BaseException) -> bytes:
    """Say why there was no decision, where the configuration names a log, or at least in syslog."""
    try:
        answer: bytes = cold().give_up(asked, error, isinstance(error, NoAnswerInTime))
        return answer
    except BaseException as unrecorded:
        to_syslog("no keys given to %r: %r (and no record of it: %r)" % (asked[0][0], error, unrecorded))
        return b""


def cold() -> "ModuleType":
    """What decides in this process, where the daemon gives no usable answer."""
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
