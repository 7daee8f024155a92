# SPDX-License-Identifier: Apache-2.0
"""`make demo ARGS=--tour`: its story, and that it leaves nothing behind when it is interrupted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Set

import pytest

from testbed import journald, private_host, waiting
from tools.documents import ROOT

pytestmark = [
    pytest.mark.skipif(not private_host.is_inside(), reason="needs namespaces (needs root)"),
    pytest.mark.skipif(journald.unsupported() is not None, reason=f"no journald: {journald.unsupported()}"),
]

TOUR = [sys.executable, "-m", "testbed.private_host", sys.executable, "-m", "testbed.demo", "--tour"]
LIMIT = 300  # seconds; a tour takes about ten


def test_tour_tells_its_seven_steps_and_removes_everything() -> None:
    done = subprocess.run(TOUR, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^==> (\d)\.", done.stdout, re.MULTILINE) == list("1234567")
    assert done.stdout.rstrip().endswith("Everything is removed.")


@pytest.mark.parametrize("step", ["The world", "2.", "6."])
def test_tour_that_is_interrupted_leaves_no_process_namespace_mount_or_file(step: str) -> None:
    before = traces()
    # What a shell starts in the background ignores SIGINT, and so do its descendants.
    command = ["env", "--default-signal=INT", *TOUR]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert any(line.startswith(f"==> {step}") for line in process.stdout)
        inside = namespaces_of_descendants(process.pid)
        assert inside
        os.killpg(process.pid, signal.SIGINT)  # as the terminal's Ctrl-C
        rest = process.stdout.read()
        assert process.wait(timeout=LIMIT) == 130
    assert "interrupted" in rest
    waiting.until(lambda: not inside & namespaces_of(processes()), "every process of the tour ends")
    assert traces() == before


def traces() -> object:
    """The mounts, the network's devices, and the files where the tour writes."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    folders = ["/run/netns", "/run/systemd", os.path.join(private_host.HOME, "tour")]
    files = [sorted(os.listdir(folder)) if os.path.exists(folder) else None for folder in folders]
    return mounts, sorted(os.listdir("/sys/class/net")), files


def processes() -> Set[int]:
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def namespaces_of_descendants(pid: int) -> Set[str]:
    """The namespaces of the process's descendants that are not this process's own."""
    parents = {one: parent(one) for one in processes()}
    found = {pid}
    for _ in parents:
        added = {one for one, above in parents.items() if above in found} - found
        if not added:
            break
        found |= added
    return namespaces_of(found) - namespaces_of({os.getpid()})


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    except OSError:  # it has ended
        return 0


def namespaces_of(pids: Set[int]) -> Set[str]:
    found = set()
    for pid in pids:
        for kind in ("pid", "mnt", "net"):
            try:
                found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
            except OSError:  # it has ended
                continue
    return found
