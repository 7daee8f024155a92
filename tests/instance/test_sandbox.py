# SPDX-License-Identifier: Apache-2.0
"""The sandbox's package: an image is tried with it where it is built, with no AWS account."""

from __future__ import annotations

from . import packages
from .client import USER
from .conftest import Instance
from .test_service import until


def test_the_sandbox_runs_from_its_package_and_a_key_pushed_there_is_handed_out(bare: Instance) -> None:
    debs = [bare.machine.copy_in(packages.deb(name)) for name in ("eic-sshd", "eic-sshd-sandbox")]
    bare.apt("install", *debs)
    bare.sshd_test()
    key = bare.client.key()
    bare.machine.write("/root/key.pub", f"{key.line}\n")
    bare.machine.run("systemd-run", "--unit=sandbox", "eic-sshd", "sandbox", "run", "--directory", "/root/sandbox")
    until(lambda: bare.machine.exists("/root/sandbox/sandbox.json"), "the sandbox runs")
    bare.machine.run("eic-sshd", "sandbox", "push", "--directory", "/root/sandbox", USER, "/root/key.pub")
    command = ["/usr/lib/eic-sshd/authorized-keys", "--socket", "none", "--config", "/root/sandbox/eic-sshd.conf", USER]
    assert bare.machine.run(*command).stdout.split() == key.line.split()[:2]
    bare.machine.run("systemctl", "stop", "sandbox.service")
    bare.apt("purge", "eic-sshd-sandbox")
    assert "sandbox" not in bare.machine.shell("ls -R /usr/lib/eic-sshd")
    bare.machine.run("eic-sshd", "--version")


def test_the_instances_package_has_none_of_it(installed: Instance) -> None:
    assert "sandbox" not in installed.machine.run("dpkg", "-L", "eic-sshd").stdout
    done = installed.machine.run("eic-sshd", "sandbox", "status", check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode != 0
