# SPDX-License-Identifier: Apache-2.0
"""`make demo`: a push, a login, expiry and fallback with real programs. A step that fails ends the demo.

With --tour, testbed.tour runs in its place.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from typing import Dict, Iterator, List

from . import aws_sdk, private_host, processes, tour
from .processes import SandboxStatus
from .ssh import Login, keygen
from .sshd import Sshd

_USER = "ec2-user"
_FOLDER = os.path.join(private_host.HOME, "demo")
_TREE = os.path.join(_FOLDER, "tree")
_SANDBOX = os.path.join(_FOLDER, "sandbox")
_CONFIG = os.path.join(_SANDBOX, "eic-sshd.conf")
_SOCKET = os.path.join(_FOLDER, "run", "authorize.sock")
_LOG = os.path.join(_FOLDER, "log", "decisions.jsonl")


class Unexpected(Exception):
    """A step did not have the result that it must have."""


def main() -> int:
    """Run the demo. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description="See eic-sshd work. ARGS=--fast: a short window.")
    parser.add_argument("--fast", action="store_true", help="let a pushed key expire after 6 seconds, not 60")
    parser.add_argument("--tour", action="store_true", help="see IAM, a private instance and a tunnel instead")
    arguments = parser.parse_args()
    if not private_host.is_inside():
        print("eic-sshd: the demo runs on a private host only; start it with `make demo`", file=sys.stderr)
        return 1
    try:
        if arguments.tour:
            tour.run()
        else:
            _demo(window=6 if arguments.fast else 60)
    except KeyboardInterrupt:
        print("\ninterrupted; everything is removed")
        return 130
    except (Unexpected, RuntimeError, subprocess.SubprocessError) as problem:
        print(f"\neic-sshd: the demo failed: {problem}", file=sys.stderr)
        return 1
    return 0


def _demo(window: int) -> None:
    _step("eic-sshd is installed below a folder, with the layout of its packages")
    _install()
    pushed = os.path.join(_FOLDER, "pushed_key")
    on_disk = os.path.join(_FOLDER, "on_disk_key")
    pushed_line, on_disk_line = keygen(pushed), keygen(on_disk)
    command = f"{_TREE}/usr/lib/eic-sshd/authorized-keys --socket {_SOCKET} --config {_CONFIG}"
    with contextlib.ExitStack() as imds, contextlib.ExitStack() as host:
        sandbox = imds.enter_context(_sandbox(window))
        host.enter_context(_daemon())
        sshd = host.enter_context(Sshd(_FOLDER, command))
        sshd.authorize(_USER, on_disk_line)
        _print(f"sandbox:    IMDSv2 at {sandbox.endpoints['imds']}, API at {sandbox.endpoints['api']}")
        _print(f"daemon:     eic-sshd serve, as {private_host.COMMAND_USER}")
        _print(f"sshd:       127.0.0.1 port {sshd.port}, AuthorizedKeysCommand .../authorized-keys --token U=%U %u %f")
        _step("A key that was not pushed is refused")
        _expect(sshd.login(_USER, [pushed]), False)
        _step("The key is pushed through boto3 (SendSSHPublicKey)")
        _print(f"RequestId: {aws_sdk.push(sandbox.endpoints['api'], sandbox.instance, _USER, pushed_line)}")
        pushed_at = time.monotonic()
        _step(f"ssh logs {_USER} in with it")
        _expect(sshd.login(_USER, [pushed]), True)
        _print("the record of the decision:")
        for name, value in _records()[-1].items():
            print(f"      {name:12} {value}")
        _step(f"Once its {window} seconds have passed (IMDS does not list it any more), the same login is refused")
        _wait(pushed_at + window + 1)
        _expect(sshd.login(_USER, [pushed]), False)
        _step("IMDS has stopped; a client that offers both keys still logs in, with the key on disk")
        imds.close()
        _expect(sshd.login(_USER, [pushed, on_disk]), True)
    _step("What eic-sshd decided (sshd asks once for an offered key and once more for its signature)")
    _table(_records())


def _install() -> None:
    # Every folder above sshd's command belongs to root, and no other user can write to it.
    os.makedirs(os.path.dirname(_LOG), mode=0o755)
    uid = private_host.ACCOUNTS[private_host.COMMAND_USER]
    os.chown(os.path.dirname(_LOG), uid, uid)
    subprocess.run(["make", "-s", "install", f"DESTDIR={_TREE}"], check=True)
    _print(f"make install DESTDIR={_TREE}")


@contextlib.contextmanager
def _sandbox(window: int) -> Iterator[SandboxStatus]:
    with processes.sandbox(_SANDBOX, "--window", str(window)) as sandbox:
        with open(_CONFIG, "a", encoding="utf-8") as file:
            file.write(f"[log]\ndestination = {_LOG}\n")
        yield sandbox


@contextlib.contextmanager
def _daemon() -> Iterator[None]:
    """The resident daemon, as systemd runs it."""
    uid = private_host.ACCOUNTS[private_host.COMMAND_USER]
    os.makedirs(os.path.dirname(_SOCKET), mode=0o755)
    os.chown(os.path.dirname(_SOCKET), uid, uid)
    process = processes.daemon(_TREE, _SOCKET, _CONFIG, uid)
    try:
        yield
    finally:
        processes.stop(process)


def _expect(login: Login, ok: bool) -> None:
    shown = login.output if login.ok else login.errors.splitlines()[-1] if login.errors else "refused"
    _print(f"{'logged in as' if login.ok else 'not logged in:'} {shown} ({login.seconds:.2f} s)")
    if login.ok != ok:
        raise Unexpected(f"the login must be {'granted' if ok else 'refused'}: {login.errors}")


def _wait(until: float) -> None:
    begun = time.monotonic()
    total = max(until - begun, 0.001)
    for _ in range(100000):
        left = until - time.monotonic()
        if left <= 0:
            break
        if sys.stdout.isatty():
            done = int(40 * (1 - left / total))
            print(f"\r    [{'#' * done}{'.' * (40 - done)}] {left:4.0f} s ", end="", flush=True)
        time.sleep(min(0.25, left))
    print(
        "\r" + " " * 60 + "\r" if sys.stdout.isatty() else f"    waited {total:.0f} s",
        end="" if sys.stdout.isatty() else "\n",
    )


def _records() -> List[Dict[str, object]]:
    with open(_LOG, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _table(records: List[Dict[str, object]]) -> None:
    columns = ("decision", "reason", "source", "user", "fingerprint", "elapsed_us", "sshd_pid")
    rows = [columns, *([_short(record.get(name, "")) for name in columns] for record in records)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(columns))]
    for row in rows:
        print("    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else text[:21] + "..."


def _step(text: str) -> None:
    print(f"\n==> {text}", flush=True)


def _print(text: str) -> None:
    print(f"    {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
