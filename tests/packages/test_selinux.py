# SPDX-License-Identifier: Apache-2.0
"""The SELinux policy module, as compiled: what matters of its rules. Nothing here loads it; no machine enforces it."""

from __future__ import annotations

import bz2
import os
import subprocess
from pathlib import Path
from typing import Dict

import pytest

from . import refpolicy
from .commands import need, run

TO_CIL = "/usr/libexec/selinux/hll/pp"


@pytest.fixture(scope="session", params=["as packaged", *refpolicy.RELEASES])
def policy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The module's rules in CIL: as it is in the package, and compiled against each release's policy."""
    if not os.access(TO_CIL, os.X_OK):
        pytest.skip(f"not installed: {TO_CIL} (policycoreutils)")
    folder = tmp_path_factory.mktemp("selinux")
    if request.param == "as packaged":
        debs: Dict[str, Path] = request.getfixturevalue("debs")
        run("dpkg-deb", "--extract", str(debs["eic-sshd-selinux"]), str(folder))
        module = bz2.decompress((folder / "usr/share/selinux/packages/eic_sshd.pp.bz2").read_bytes())
    else:
        need("make", "checkmodule", "semodule_package", "dpkg-deb")
        try:
            development = refpolicy.development_files(request.param)
        except refpolicy.UnavailableError as problem:
            pytest.skip(f"selinux-policy-dev of {request.param} cannot be downloaded: {problem}")
        module = refpolicy.compile_module(development, folder)
    return subprocess.run([TO_CIL], input=module, stdout=subprocess.PIPE, check=True).stdout.decode()


@pytest.mark.parametrize(
    ("source", "target", "kind", "permission"),
    [
        ("eic_sshd_client", "eic_sshd_t", "unix_stream_socket", "connectto"),
        ("eic_sshd_client", "init_t", "unix_stream_socket", "connectto"),
        ("eic_sshd_client", "eic_sshd_runtime_t", "sock_file", "write"),
        ("eic_sshd_client", "bin_t", "file", "execute_no_trans"),
        ("init_t", "eic_sshd_t", "process2", "nnp_transition"),
        ("init_t", "eic_sshd_runtime_t", "sock_file", "create"),
        ("eic_sshd_t", "http_port_t", "tcp_socket", "name_connect"),
        ("eic_sshd_t", "sysfs_t", "file", "read"),
        ("eic_sshd_t", "cert_t", "file", "read"),
        ("eic_sshd_t", "eic_sshd_tmpfs_t", "file", "create"),
        ("eic_sshd_t", "bin_t", "file", "execute_no_trans"),
        ("eic_sshd_t", "syslogd_t", "unix_dgram_socket", "sendto"),
        ("eic_sshd_t", "init_t", "unix_dgram_socket", "sendto"),
    ],
)
def test_policy_allows_what_is_needed(source: str, target: str, kind: str, permission: str, policy: str) -> None:
    rules = [line for line in policy.splitlines() if line.startswith(f"(allow {source} {target} ({kind} (")]
    assert any(permission in rule.replace(")", " ").replace("(", " ").split() for rule in rules)


def test_policy_lets_the_service_write_only_memory_files_and_logs(policy: str) -> None:
    written = {
        line.split()[2]
        for line in policy.splitlines()
        if line.startswith("(allow eic_sshd_t ") and "(file (" in line and " write " in line
    }
    # init_tmpfs_t: Debian 12's init_daemon_domain, for StandardInputText=.
    assert written - {"init_tmpfs_t"} == {"eic_sshd_tmpfs_t"}


def test_policy_lets_both_domains_of_sshd_connect(policy: str) -> None:
    always, _, if_known = policy.partition("(optional ")
    assert "(typeattributeset eic_sshd_client (sshd_t ))" in always
    assert "(typeattributeset eic_sshd_client (sshd_session_t ))" in if_known


def test_policy_lets_sshd_decide_in_process_unless_a_boolean_forbids_it(policy: str) -> None:
    assert "(boolean sshd_eic_imds true)" in policy
    conditional = policy.partition("(booleanif (sshd_eic_imds)")[2]
    assert "(allow eic_sshd_client http_port_t (tcp_socket (name_connect)))" in conditional
    assert "(allow eic_sshd_client http_port_t" not in policy.partition("(booleanif (sshd_eic_imds)")[0]


def test_policy_labels_the_paths(policy: str) -> None:
    for path, label in (
        ("/usr/bin/eic-sshd", "eic_sshd_exec_t"),
        ("/usr/lib/eic-sshd/authorized-keys", "bin_t"),
        ("/run/eic-sshd(/.*)?", "eic_sshd_runtime_t"),
    ):
        assert any(
            line.startswith(f'(filecon "{path}"') and f" {label} " in line.replace(")", " ")
            for line in policy.splitlines()
        ), path
