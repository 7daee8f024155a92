# SPDX-License-Identifier: Apache-2.0
"""The SELinux module in a release's whole policy, as the kernel would get it. No kernel enforces it here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Iterator, Set

import pytest

from . import images, packages
from .conftest import Instance, instance

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
    if shutil.which("checkpolicy") is None:
        pytest.skip("not installed: checkpolicy (make setup installs it)")
    with instance(release, boot=False) as made:
        made.apt("install", "--no-install-recommends", *images.SELINUX)
        made.install(packages.deb())
        # What the host's checkpolicy reads.
        made.machine.shell("echo policy-version = 33 >>/etc/selinux/semanage.conf")
        made.install(packages.deb("eic-sshd-selinux"))
        yield made


def rules(at: Instance, folder: Path) -> Set[str]:
    """The lines of the policy, in CIL."""
    (policy,) = at.machine.root.glob("etc/selinux/default/policy/policy.*")
    subprocess.run(["checkpolicy", "-b", "-M", "-C", "-o", f"{folder}/all.cil", str(policy)], check=True)
    return set((folder / "all.cil").read_text().splitlines())


def test_without_a_domain_for_sshds_sessions_sshd_may_ask(with_policy: Instance, tmp_path: Path) -> None:
    found = rules(with_policy, tmp_path)
    # An attribute that one type has is gone from a compiled policy.
    assert {f"(allow sshd_t {rule})" for rule in NEEDED} - found == set()


def test_with_a_domain_for_sshds_sessions_that_may_ask_as_well(with_policy: Instance, tmp_path: Path) -> None:
    with_policy.machine.write("/root/session.cil", SESSION)
    with_policy.machine.run("semodule", "-i", "/root/session.cil")
    found = rules(with_policy, tmp_path)
    assert "(typeattributeset eic_sshd_client (sshd_session_t sshd_t))" in found
    assert {f"(allow eic_sshd_client {rule})" for rule in NEEDED} - found == set()
