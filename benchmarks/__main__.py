# SPDX-License-Identifier: Apache-2.0
"""`make bench`: the front door against a sandbox in a process of its own."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator, List

import requests

from docs.generate import ROOT
from eic_sshd.sandbox.sshd import free_port, keygen

from .measure import Case, WrongAnswer, run, table

PYTHON = "/usr/bin/python3"
USER = "root"


@contextlib.contextmanager
def sandbox(folder: Path) -> Iterator[str]:
    """A sandbox in `folder`; gives its control's URL."""
    command = [sys.executable, "-m", "eic_sshd", "sandbox", "run", "--directory", str(folder), "--window", "3000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        urls = {}
        for line in process.stdout:
            if line == "ready\n":
                break
            name, url = line.split()
            urls[name] = url
        try:
            yield urls["control"]
        finally:
            process.terminate()


def control(url: str, method: str, path: str, **more: object) -> None:
    """Tell the sandbox's control something."""
    with requests.Session() as session:
        session.trust_env = False
        session.request(method, f"{url}/{path}", timeout=5, **more).raise_for_status()  # type: ignore[arg-type]


def fingerprint(key: str) -> str:
    listed = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], capture_output=True, text=True, check=True)
    return listed.stdout.split()[1]


def config(folder: Path, name: str, endpoint: str = "") -> List[str]:
    """A configuration for the sandbox (or another `endpoint`), as the front door's arguments."""
    text = (folder / "eic-sshd.conf").read_text()
    if endpoint:
        lines = [f"endpoint = {endpoint}" if line.startswith("endpoint") else line for line in text.splitlines()]
        text = "\n".join(lines) + "\n"
    path = folder / name
    path.write_text(f"{text}[keys]\nwindow = 3600\n[log]\ndestination = {folder}/decisions.jsonl\n")
    path.chmod(0o644)
    return ["--socket", "none", "--config", str(path)]


def cases(folder: Path, tree: Path, url: str) -> List[Case]:
    """What is timed, the bare Python first."""
    front_door = str(tree / "usr/lib/eic-sshd/authorized-keys")
    warm = config(folder, "bench.conf")
    dead = config(folder, "dead.conf", f"http://127.0.0.1:{free_port()}")
    hanging = config(folder, "hanging.conf")
    key = str(folder / "key")
    lines = [keygen(f"{key}{number}") for number in range(3)]
    one = fingerprint(f"{key}0")

    def push(*wanted: str) -> None:
        control(url, "DELETE", "faults")
        control(url, "DELETE", "keys")
        for line in wanted:
            control(url, "POST", "keys", json={"user": USER, "key": line})

    def hang() -> None:
        control(url, "PUT", "faults/hang")

    found = [
        Case("python3 -IS -c pass", [PYTHON, "-IS", "-c", "pass"], lambda out: not out),
        Case("in-process, no key", [front_door, *warm, USER, one], lambda out: not out, push),
        Case("in-process, one key", [front_door, *warm, USER, one], lambda out: out.count("\n") == 1,
             lambda: push(lines[0])),
        Case("in-process, three keys", [front_door, *warm, USER], lambda out: out.count("\n") == 3,
             lambda: push(*lines)),
        Case("in-process, IMDS refuses", [front_door, *dead, USER, one], lambda out: not out, push),
        Case("in-process, IMDS hangs", [front_door, *hanging, USER, one], lambda out: not out, hang, rounds=3),
    ]  # fmt: skip
    rival = os.environ.get("RIVAL")
    if rival:
        found.append(Case(f"rival: {Path(rival).name}", [*shlex.split(rival), USER, one], lambda _: True, push))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=21, help="rounds of each case (default: %(default)s)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="eic-sshd-bench-") as name:
        tree, folder = Path(name) / "tree", Path(name)
        subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={tree}"], check=True)
        with sandbox(folder) as url:
            timed = cases(folder, tree, url)
            try:
                run(timed, rounds)
            except WrongAnswer as problem:
                print(f"eic-sshd: {problem}", file=sys.stderr)
                return 1
    print(table(timed, timed[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
