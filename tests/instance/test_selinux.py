# SPDX-License-Identifier: Apache-2.0
"""The SELinux module in a release's whole policy, as the kernel would get it. No kernel enforces it here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Iterator, List

import pytest

from . import packages
from .instances import Instance, instance

POLICY_VERSION = 33
# What Fedora's policy has and Debian's has not: a domain of its own for sshd-session.
SESSION = """(type sshd_session_t)
(roletype system_r sshd_session_t)
(typeattributeset domain (sshd_session_t))
"""
NEEDED = {
    "bin_t (file (ioctl read getattr lock map execute open execute_no_trans))",
    "eic_sshd_runtime_t (sock_file (write getattr append open))",
    "eic_sshd_t (unix_stream_socket (connectto))",
    "init_t (unix_stream_socket (connectto))",
}


@pytest.fixture(scope="module")
def with_policy(release: str) -> Iterator[Instance]:
    with instance(release) as made:
        made.install_selinux_policy()
        # What the host's checkpolicy reads, whatever this release's semodule can write.
        made.machine.shell(f"echo policy-version = {POLICY_VERSION} >>/etc/selinux/semanage.conf")
        made.apt("install", *(made.machine.copy_in(packages.deb(name)) for name in ("eic-sshd", "eic-sshd-selinux")))
        yield made


def modules(at: Instance) -> List[str]:
    """Ours in the policy store, each with its priority and kind."""
    lines = at.machine.run("semodule", "--list=full").stdout.splitlines()
    return [" ".join(line.split()) for line in lines if "eic_sshd" in line]


def test_sessions_with_a_domain_of_their_own_may_connect_to_the_daemon(with_policy: Instance, tmp_path: Path) -> None:
    if shutil.which("checkpolicy") is None:
        pytest.skip("not installed: checkpolicy (make setup installs it)")
    machine = with_policy.machine
    machine.write("/root/session.cil", SESSION)
    machine.run("semodule", "-i", "/root/session.cil")
    policy = Path(f"/proc/{machine.pid}/root/etc/selinux/default/policy/policy.{POLICY_VERSION}")
    subprocess.run(["checkpolicy", "-b", "-M", "-C", "-o", f"{tmp_path}/all.cil", str(policy)], check=True)
    rules = set((tmp_path / "all.cil").read_text().splitlines())
    assert "(typeattributeset eic_sshd_client (sshd_session_t sshd_t))" in rules
    assert {f"(allow eic_sshd_client {rule})" for rule in NEEDED} - rules == set()
    machine.run("semodule", "-r", "session")


def test_policy_survives_an_upgrade_and_is_removed_with_its_own_package(with_policy: Instance, tmp_path: Path) -> None:
    assert modules(with_policy) == ["200 eic_sshd pp"]
    with_policy.install(packages.deb_of_version("9", tmp_path))
    assert modules(with_policy) == ["200 eic_sshd pp"]
    assert with_policy.machine.run("eic-sshd", "--version").stdout.split()[-1] == "9"
    with_policy.apt("remove", "eic-sshd-selinux")
    assert modules(with_policy) == []
    with_policy.sshd_test()
