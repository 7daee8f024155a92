# SPDX-License-Identifier: Apache-2.0
"""The findings are made without a change to the machine: every attempt to write is refused, and recorded."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import List

import pytest

from testbed import private_host
from tools.documents import ROOT

from .sites import INCLUDE, OTHER, Machine

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")

# sys.addaudithook(): one that raises prevents what was about to happen. Python has no way to remove it again, so this
# runs in a process of its own. Temporary folders are the exception that diagnose/side_effects.py documents.
_AUDITED = """
import json, os, sys, tempfile

folder, scratch = sys.argv[1:]
sys.path.insert(0, {root!r})
from eic_sshd.config import loader
from eic_sshd.diagnose import installation, libraries, selinux
from eic_sshd.sshd.processes import Processes
from eic_sshd.sshd.program import Sshd
from eic_sshd.sshd.site import Site

CHANGING = {{
    "os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate",
    "os.utime", "os.setxattr", "os.removexattr", "os.kill", "shutil.rmtree", "os.chflags", "fcntl.lockf", "fcntl.flock",
}}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
attempts, started = [], []

def is_scratch(path, arguments):
    path = os.fsdecode(path)
    folder = arguments[-1]
    if not path.startswith("/") and isinstance(folder, int) and folder >= 0:  # os.remove() and its like: dir_fd
        path = os.path.join(os.readlink(f"/proc/self/fd/{{folder}}"), path)
    return path.startswith(("/run/eic-sshd.", scratch))

def refuse(event, arguments):
    if event == "subprocess.Popen":
        started.append([os.fsdecode(word) for word in arguments[1]])
    subject = arguments[0] if arguments else None
    if event == "open":
        changes = isinstance(subject, (str, bytes)) and isinstance(arguments[2], int) and arguments[2] & WRITING
        changes = changes and subject != "/dev/null"
    else:
        changes = event in CHANGING
    if changes and not (isinstance(subject, (str, bytes)) and is_scratch(subject, arguments)):
        attempts.append([event, repr(subject)])
        raise PermissionError(event)

site = Site(
    Sshd(config=folder + "/sshd_config"), Processes(folder + "/proc"), folder,
    sshd_drop_ins=folder + "/sshd_config.d", our_config=folder + "/eic-sshd/eic-sshd.conf",
    client_command="/usr/bin/true", socket=folder + "/run/authorize.sock",
)
sys.dont_write_bytecode = True
tempfile.tempdir = scratch
sys.addaudithook(refuse)
config = loader.load(site.our_config)
found = [*installation.problems(site, config), *installation.warnings(site, config)]
found += [*installation.second_sshds(site), *selinux.problems(), *libraries.problems()]
print(json.dumps([attempts, started, [finding.code for finding in found]]))
"""


def diagnose(machine: Machine) -> List[str]:
    """The codes of all findings, made by a process that may write nothing."""
    scratch = machine.folder / "scratch.log"
    scratch.mkdir(exist_ok=True)
    command = [sys.executable, "-I", "-c", _AUDITED.format(root=str(ROOT)), str(machine.folder), str(scratch)]
    before = machine.files()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    attempts, started, codes = json.loads(done.stdout)
    assert attempts == []
    programs = {(command[0], *command[1:3]) for command in started}
    assert {program[0].rpartition("/")[2] for program in programs} <= {"sshd", "systemctl", "ssh-keygen"}
    changing = ("start", "stop", "restart", "reload", "enable", "disable", "mask", "unmask", "kill", "daemon-reload")
    assert not any(word in changing for command in started for word in command)
    assert machine.files() == before
    assert list(scratch.iterdir()) == []
    return list(codes)


def test_the_findings_of_a_site_that_is_not_enabled_are_made_without_writing(machine: Machine) -> None:
    assert diagnose(machine) == ["not-enabled"]
    machine.sshd_config(INCLUDE + OTHER)
    assert diagnose(machine) == ["other-command"]


def test_the_findings_of_an_enabled_site_are_made_without_writing(machine: Machine) -> None:
    machine.enable()
    assert diagnose(machine) == []
    machine.sshd_config(f"{INCLUDE}{OTHER}PubkeyAuthentication no\n")
    assert diagnose(machine) == ["command-not-run", "public-keys-disabled"]


def test_attempt_to_write_is_detected(machine: Machine) -> None:
    """The check itself: without a private temporary folder the copies for `sshd -T -f` are attempts."""
    machine.enable()
    text = _AUDITED.replace('("/run/eic-sshd.", scratch)', '("/nowhere",)').format(root=str(ROOT))
    command = [sys.executable, "-I", "-c", text, str(machine.folder), str(machine.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    attempts, _, codes = json.loads(done.stdout)
    assert attempts != []
    assert "sshd-unknown" in codes
