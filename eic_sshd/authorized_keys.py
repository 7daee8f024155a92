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

USAGE = "usage: authorized-keys [--socket PATH|none] [--config FILE] USER [FINGERPRINT]"
SOCKET = "/run/eic-sshd/authorize.sock"


def main(arguments: list[str]) -> int:
    parsed = parse(arguments)
    if parsed is None:
        posix.write(2, (USAGE + "\n").encode())
        import syslog

        syslog.openlog("eic-sshd", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
        syslog.syslog(
            syslog.LOG_ERR, "wrong arguments from sshd, no keys given: AuthorizedKeysCommand must end in `%u %f`"
        )
        return 2
    user, fingerprint, config, _ = parsed
    try:
        lines = decide_here(user, fingerprint, config)
    except BaseException as error:  # I1: never a traceback, never half an answer
        complain(user, fingerprint, config, error)
        lines = []
    write(lines)
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


def decide_here(user: str, fingerprint: "str | None", config: "str | None") -> list[str]:
    """Decide without the authorizer: slower, never different."""
    import gc
    import os

    os.environ.clear()  # for the libraries loaded from here on: no proxy, no OPENSSL_CONF, no locale
    sys.path += library_paths()
    gc.disable()  # a process that is gone in a moment need not tidy up
    from eic_sshd import oneshot
    from eic_sshd.decision import Request

    request = Request(user, fingerprint, sshd_pid=posix.getppid())
    return oneshot.answer(request, config)


def library_paths() -> list[str]:
    """This package's folder and the distribution's own packages: no /usr/local, no .pth files, no user's folder."""
    here = __file__.rpartition("/")[0]
    version = "python%d.%d" % sys.version_info[:2]
    lib64 = "%s/%s/%s/site-packages" % (sys.base_prefix, getattr(sys, "platlibdir", "lib"), version)
    lib = "%s/lib/%s/site-packages" % (sys.base_prefix, version)
    return [here, "/usr/lib/python3/dist-packages", lib64, lib]


def complain(user: str, fingerprint: "str | None", config: "str | None", error: BaseException) -> None:
    """Say why there was no decision: in the log that the configuration names, or at least in syslog."""
    detail = "%s: %s" % (type(error).__name__, error)
    try:
        from eic_sshd import oneshot
        from eic_sshd.decision import Reason, Request

        request = Request(user, fingerprint, sshd_pid=posix.getppid())
        oneshot.record_failure(request, Reason.INTERNAL_ERROR, detail, config)
    except BaseException as unrecorded:
        import syslog

        syslog.openlog("eic-sshd", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
        syslog.syslog(syslog.LOG_ERR, "no keys given to %r: %r (and no record of it: %r)" % (user, detail, unrecorded))


def write(lines: list[str]) -> None:
    """The whole answer at once: sshd reads all of it or none (I2)."""
    rest = "".join(line + "\n" for line in lines).encode()
    try:
        while rest:
            rest = rest[posix.write(1, rest) :]
    except OSError:
        return  # sshd went away (its client did, or LoginGraceTime passed): there is nobody left to tell


if __name__ == "__main__":
    posix._exit(main(sys.argv[1:]))
