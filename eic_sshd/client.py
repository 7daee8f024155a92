# SPDX-License-Identifier: Apache-2.0
"""What sshd runs: prints the public keys that may log in as USER, or nothing (sshd_config(5), AuthorizedKeysCommand).

It asks the resident daemon, and decides in this process when the daemon gives no usable answer. It runs at each
public-key attempt: until it must decide by itself it imports nothing that is not built into the interpreter, except
invocation.py. /usr/lib/eic-sshd/authorized-keys starts it, and starts it once more when `main` raises.

Exit status: 0 whatever was decided, with nothing printed if anything fails, so that sshd uses its other login methods;
2 for wrong arguments.
"""

import posix
import sys
import time

from .invocation import CHAINED_MARK, Invocation

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing is slow to load
    from types import ModuleType

USAGE = "usage: authorized-keys [--socket PATH|none] [--config FILE] [--token NAME=VALUE]... USER [FINGERPRINT]"
SOCKET = "/run/eic-sshd/authorize.sock"
# Seconds from the beginning within which the daemon must accept the request; it then announces how long its answer may
# take. What is left of a decision's three seconds is enough to decide here.
ACCEPT_TIMEOUT = 2.0
# Seconds after the beginning from which on the daemon is notified of the time that has passed.
_LATE = 0.05


def main(arguments: list[str], begun: float) -> int:
    """Print the answer and return the exit status; `begun` is when this process began (time.monotonic, seconds).

    `--again MILLISECONDS` before the arguments marks the second try, and gives the time when the first one began.
    Raises whatever a second try in a new process may overcome: a package may be replacing these files at the moment.
    """
    is_retry = arguments[:1] == ["--again"] and "".join(arguments[1:2]).isdigit()
    begun = int(arguments[1]) / 1000 if is_retry else begun
    invocation = parse(arguments[2 * is_retry :], begun, is_retry)
    if invocation is None:
        to_syslog("AuthorizedKeysCommand: wrong arguments, so no keys are printed. It must end in `%u %f`.")
        write((USAGE + "\n").encode(), 2)
        return 2
    answer, has_chain = None, False
    try:
        if invocation.socket_path != "none" and not is_retry:
            answer, has_chain = ask(invocation)
        if answer is None:
            answer = standalone().answer(invocation)
        elif has_chain:
            answer += standalone().chained_output(invocation)
    except BaseException as error:  # I1: never a traceback, never half an answer
        if not is_retry and not isinstance(error, NoAnswerInTime):
            raise
        answer = answer or give_up(invocation, error)
    write(answer)
    return 0


def parse(arguments: list[str], begun: float, is_retry: bool) -> "Invocation | None":
    """The invocation, or None for wrong arguments."""
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
    language = posix.environ.get(b"LANG")
    return Invocation(
        rest[0],
        (rest[1] if len(rest) == 2 else "") or None,
        posix.getppid(),
        begun=begun,
        config_file=options["--config"],
        socket_path=options["--socket"],
        tokens=tokens,
        language=None if language is None else language.decode("ascii", "surrogateescape"),
        in_chain=CHAINED_MARK.encode() in posix.environ,
        is_retry=is_retry,
    )


class NoAnswerInTime(Exception):
    """The daemon accepted the request and hangs."""


def ask(invocation: Invocation) -> "tuple[bytes | None, bool]":
    """The daemon's answer, and whether to run the chained command after it: daemon/protocol.py has the layout.

    The answer is None where there is none, or no whole one, or the daemon declines. A daemon that died is asked again:
    systemd starts another, which decides for all clients that wait in less time than each of them would need here.
    """
    accepted = False
    for attempt in range(3):
        received = exchange(invocation)
        if received is None:
            break
        kind, length = received[5:6], int.from_bytes(received[6:10], "big")
        if received[:1] == b"W" and kind in (b"K", b"C") and len(received) - 10 == length:
            return received[10:], kind == b"C"
        if received[:1] == b"W" and kind == b"N":
            break
        accepted = accepted or received[:1] == b"W"
        # A daemon that dies before it accepts anything does so at its start: it is asked twice.
        if received[:1] not in (b"", b"W") or (attempt and not accepted):
            break
        time.sleep(0.1)
    return None, False


def exchange(invocation: Invocation) -> "bytes | None":
    """All that the daemon sent until it closed the connection; None where there is no daemon, or it accepts nothing.

    Raises NoAnswerInTime.
    """
    import _socket

    started = time.monotonic()
    deadline = invocation.begun + ACCEPT_TIMEOUT
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    received = b""
    try:
        connection.settimeout(max(deadline - started, 0.001))
        connection.connect(invocation.socket_path)
        peer = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
        folder = posix.stat(invocation.socket_path.rpartition("/")[0] or ".")
        if not may_answer(int.from_bytes(peer[4:8], sys.byteorder), posix.geteuid(), folder.st_uid):
            return None
        request = encode_request(invocation, started - invocation.begun)
        connection.send(len(request).to_bytes(4, "big") + request)
        chunk = b"..."
        while chunk:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            chunk = connection.recv(65536)
            if len(received) < 5 <= len(received + chunk):
                deadline = started + int.from_bytes((received + chunk)[1:5], "big") / 1000
            received += chunk
    except _socket.timeout:
        if received:
            raise NoAnswerInTime("no answer in time") from None
        return None  # it hangs, or is not there yet: it has accepted nothing
    except OSError as error:
        if not isinstance(error, (BrokenPipeError, ConnectionResetError)):
            return None  # no daemon listens, or we may not connect
    finally:
        connection.close()
    return received


def encode_request(invocation: Invocation, waited: float) -> bytes:
    """The request; `waited` is how many seconds ago sshd asked."""
    fields = [
        "2",
        invocation.user,
        invocation.fingerprint or "",
        str(invocation.sshd_pid),
        invocation.config_file or "",
        "" if invocation.uid is None else str(invocation.uid),
    ]
    if waited > _LATE:
        fields.append(str(int(waited * 1000)))
    return b"\0".join([field.encode("utf-8", "surrogateescape") for field in fields])


def may_answer(uid: int, own: int, folder_owner: int) -> bool:
    """Whether the listener is root (systemd), our `own` user or the owner of the folder: unix(7), SO_PEERCRED."""
    return uid in (0, own, folder_owner)


def give_up(invocation: Invocation, error: BaseException) -> bytes:
    """The fallback's keys, once the failure is recorded: where the configuration names a log, or at least in syslog."""
    try:
        answer: bytes = standalone().give_up(invocation, error, isinstance(error, NoAnswerInTime))
        return answer
    except BaseException as unrecorded:
        to_syslog("no keys printed for %r: %r (and no record of it: %r)" % (invocation.user, error, unrecorded))
        return b""


def standalone() -> "ModuleType":
    """What decides in this process."""
    import gc

    gc.disable()  # a process that ends in a moment collects no garbage
    from eic_sshd import standalone

    return standalone


def to_syslog(text: str) -> None:
    """The last resort: it does not wait for a syslog that hangs or is absent. <83> is authpriv.err (RFC 3164)."""
    import _socket

    logger = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    logger.settimeout(0.2)
    try:
        logger.connect("/dev/log")
        logger.send(("<83>eic-sshd[%d]: %s" % (posix.getpid(), text)).encode("utf-8", "backslashreplace"))
    except OSError:
        return  # there is no other place for it
    finally:
        logger.close()


def write(answer: bytes, descriptor: int = 1) -> None:
    """The whole answer at once: sshd reads all of it or none (I2)."""
    try:
        while answer:
            answer = answer[posix.write(descriptor, answer) :]
    except OSError:
        return  # sshd has ended: its client left, or LoginGraceTime passed
