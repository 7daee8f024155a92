# SPDX-License-Identifier: Apache-2.0
"""Booted machines as EC2 instances: with the metadata service of a sandbox, and a client that logs in."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List

import pytest

from testbed.machines import images
from testbed.machines.aws import Aws
from testbed.machines.client import Client
from testbed.machines.machine import Failed, Machine, machine

SSHD_CONFIG = "/etc/ssh/sshd_config"
machines: List[Machine] = []  # those that run now


@contextlib.contextmanager
def known(*layers: Path, boot: bool = True) -> Iterator[Machine]:
    """A machine whose journal is shown when a test fails."""
    with machine(*layers, boot=boot) as made:
        machines.append(made)
        try:
            yield made
        finally:
            machines.remove(made)


@dataclass
class Instance:
    """A booted machine, its AWS side and a person to log in."""

    machine: Machine
    aws: Aws
    client: Client
    release: str

    def apt(self, verb: str, *arguments: str) -> str:
        """`apt-get -y VERB`; what it said. Raises Failed."""
        done = self.machine.run("apt-get", "-y", "-q", verb, *arguments, timeout=300)
        return done.stdout + done.stderr

    def install(self, package: Path) -> str:
        return self.apt("install", self.machine.copy_in(package))

    def eic_sshd(self, *arguments: str, status: int = 0) -> str:
        """What `eic-sshd ARGUMENTS` prints. It must end with `status`, and name itself where that is not 0."""
        done = self.machine.run("eic-sshd", *arguments, check=False)
        printed = done.stdout + done.stderr
        assert done.returncode == status, printed
        if status:
            assert done.stderr.startswith("eic-sshd"), printed
        return printed

    def install_selinux_policy(self) -> None:
        """Install the distribution's policy. Skips the test where that of an unreleased suite does not install."""
        try:
            self.apt("install", "--no-install-recommends", *images.SELINUX)
        except Failed as problem:
            if self.release in images.RELEASES:
                raise
            pytest.skip(f"{', '.join(images.SELINUX)} of {self.release} cannot be installed: {str(problem)[-200:]}")

    def sshd_test(self) -> None:
        """`sshd -t` has nothing to say."""
        done = self.machine.run("sshd", "-t")
        assert done.stdout + done.stderr == "", done.stdout + done.stderr

    def service_pid(self) -> str:
        """The resident authorizer's process; "0" if there is none."""
        return self.machine.run("systemctl", "show", "-P", "MainPID", "eic-sshd.service").stdout.strip()

    def healthy(self) -> None:
        """Bring everything to where it is after an installation: service idle, sandbox in order, no pushed key."""
        self.machine.shell(
            "rm -rf /etc/systemd/system/eic-sshd.service.d; systemctl unmask -q eic-sshd.socket eic-sshd.service; "
            "systemctl daemon-reload; systemctl reset-failed 2>/dev/null || true; "
            "systemctl enable -q eic-sshd.socket; systemctl stop eic-sshd.service; systemctl restart eic-sshd.socket"
        )
        if self.aws.alive:
            self.aws.heal()


@contextlib.contextmanager
def instance(release: str, *layers: Path, boot: bool = True) -> Iterator[Instance]:
    """A machine on `layers` over the release's image, with a sandbox beside it if it is booted."""
    with known(*layers, images.image(release), boot=boot) as made:
        aws = Aws(made)
        try:
            if boot:
                aws.start()
            yield Instance(made, aws, Client(made), release)
        finally:
            aws.stop()
