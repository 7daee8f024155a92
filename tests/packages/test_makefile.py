# SPDX-License-Identifier: Apache-2.0
"""What `make install` lays out, `make uninstall`, and what the Makefile says where it cannot do something."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import List, Set

import pytest

from tools.documents import ROOT

from .commands import run

CONFIG = "etc/eic-sshd/eic-sshd.conf"


# In the package eic-sandbox, below its own folder.
ELSEWHERE = {"docs/sandbox.md", "sandbox.md"}


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "-s", "-C", ROOT, *arguments], capture_output=True, text=True)


def paths(tree: Path) -> Set[str]:
    return {str(path.relative_to(tree)) for path in tree.rglob("*")}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """What `make install` lays out, as a machine has it that has run it: with byte code."""
    run("make", "-s", "-C", ROOT, "install", f"DESTDIR={tmp_path}/tree")
    return tmp_path / "tree"


def test_links_of_the_installed_documents_lead_to_installed_files(installed: Path) -> None:
    documents = sorted((installed / "usr/share/doc").rglob("*.md"))
    assert "README.md" in {document.name for document in documents}
    broken = [
        f"{document.relative_to(installed)}: {link}"
        for document in documents
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text())
        if link not in ELSEWHERE and not (document.parent / link).exists()
    ]
    assert broken == []


def test_uninstall_removes_all_that_install_installed(installed: Path) -> None:
    assert "usr/bin/eic-sshd" in paths(installed)
    done = make("uninstall", f"DESTDIR={installed}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert paths(installed) == set()


def test_uninstall_removes_nothing_else(installed: Path) -> None:
    others = [
        "etc/eic-sshd/conf.d/50-site.conf", "etc/ssh/sshd_config.d/50-site.conf", "usr/bin/other",
        "usr/lib/eic-sshd/eic_sshd/other.py", "usr/lib/systemd/system/other.service", "usr/share/doc/eic-sshd/other",
    ]  # fmt: skip
    for other in others:
        (installed / other).parent.mkdir(parents=True, exist_ok=True)
        (installed / other).write_text("other\n")
    make("uninstall", f"DESTDIR={installed}")
    assert sorted(path for path in paths(installed) if (installed / path).is_file()) == sorted(others)


def test_uninstall_leaves_configuration_that_was_edited(installed: Path) -> None:
    (installed / CONFIG).write_text("# edited\n")
    done = make("uninstall", f"DESTDIR={installed}")
    assert (done.returncode, done.stdout) == (0, f"eic-sshd: /{CONFIG} was edited: it stays\n")
    assert [path for path in paths(installed) if (installed / path).is_file()] == [CONFIG]


def test_uninstall_and_install_can_be_repeated(installed: Path) -> None:
    before = paths(installed)
    for _ in range(2):
        assert make("uninstall", f"DESTDIR={installed}").returncode == 0
    assert make("install", f"DESTDIR={installed}").returncode == 0
    assert paths(installed) == before


def test_sandbox_can_be_uninstalled_alone(installed: Path) -> None:
    before = paths(installed)
    make("install-sandbox", f"DESTDIR={installed}")
    assert paths(installed) != before
    assert make("uninstall-sandbox", f"DESTDIR={installed}").returncode == 0
    assert paths(installed) == before


def test_sandbox_is_not_uninstalled_while_its_service_is_enabled(installed: Path) -> None:
    make("install-sandbox", f"DESTDIR={installed}")
    before = paths(installed)
    wants = installed / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "eic-sandbox.service").write_text("")
    done = make("uninstall-sandbox", f"DESTDIR={installed}")
    assert done.returncode != 0
    assert "eic-sandbox.service is enabled. Run first: systemctl disable --now eic-sandbox.service" in done.stderr
    assert before <= paths(installed)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("sshd_config", "AuthorizedKeysCommand /usr/lib/eic-sshd/authorized-keys --token U=%U %u %f"),
        ("sshd_config.d/60-eic-sshd.conf", ' authorizedkeyscommand="/usr/lib/eic-sshd/authorized-keys" %u'),
    ],
)
def test_uninstall_refuses_while_sshd_is_configured_to_run_it(installed: Path, file: str, line: str) -> None:
    before = paths(installed)
    (installed / "etc/ssh" / file).parent.mkdir(parents=True, exist_ok=True)
    (installed / "etc/ssh" / file).write_text(f"{line}\n")
    done = make("uninstall", f"DESTDIR={installed}")
    assert done.returncode != 0
    assert "not uninstalled: sshd is configured to run eic-sshd. Run first: eic-sshd disable" in done.stderr
    assert before <= paths(installed)


@pytest.mark.parametrize("argument", ["PREFIX=/usr/local", "prefix=/opt"])
def test_another_prefix_than_usr_is_refused(argument: str, tmp_path: Path) -> None:
    done = make("install", argument, f"DESTDIR={tmp_path}")
    assert done.returncode != 0
    assert f"only /usr is possible ({argument.partition('=')[2]}). DESTDIR installs below" in done.stderr
    assert paths(tmp_path) == set()


def test_prefix_in_the_environment_is_ignored(tmp_path: Path) -> None:
    run("make", "-s", "-C", ROOT, "install", f"DESTDIR={tmp_path}", PREFIX="/opt")
    assert "usr/bin/eic-sshd" in paths(tmp_path)


def without(tmp_path: Path, missing: List[str], present: List[str]) -> str:
    """A PATH with all commands of this machine's but `missing`, and those in `present`, which fail."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for place in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        for command in os.scandir(place):
            if command.name not in missing and not (folder / command.name).is_symlink():
                (folder / command.name).symlink_to(command.path)
    for name in present:
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text("#!/bin/sh\nexit 1\n")
        (folder / name).chmod(0o755)
    return str(folder)


@pytest.mark.parametrize("target", ["rpm", "srpm"])
def test_building_the_rpm_without_apt_names_what_is_missing_as_that_distribution_does(
    target: str, tmp_path: Path
) -> None:
    path = without(tmp_path, ["apt-get", "rpmbuild"], ["dnf"])
    command = [f"{ROOT}/packaging/build-rpm.sh", f"{tmp_path}/{target}"]
    done = subprocess.run(command, env={"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"make {target}: not everything that it needs is on this machine" in done.stderr
    assert "install these packages: dnf install rpm-build" in done.stderr
    assert " rpm " not in done.stderr
    assert not (tmp_path / target).exists()


def test_building_the_deb_names_what_is_missing(tmp_path: Path) -> None:
    command = [f"{ROOT}/packaging/build-deb.sh", f"{tmp_path}/deb"]
    (tmp_path / "debian").mkdir()
    path = without(tmp_path / "debian", ["dh"], ["apt-get"])
    done = subprocess.run(command, env={"PATH": path}, capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        "eic-sshd: install these packages: apt-get install debhelper",
    )
    (tmp_path / "red-hat").mkdir()
    path = without(tmp_path / "red-hat", ["dh", "apt-get"], ["dnf"])
    done = subprocess.run(command, env={"PATH": path}, capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        "eic-sshd: only Debian and Ubuntu have these commands: dh",
    )


def test_setup_without_apt_names_what_is_missing_as_that_distribution_does(tmp_path: Path) -> None:
    path = without(tmp_path, ["apt-get", "dpkg-query"], ["dnf", "rpm"])
    command = [f"{ROOT}/packaging/setup.sh", f"{tmp_path}/venv"]
    done = subprocess.run(command, env={"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("eic-sshd: install these packages, then run it again: dnf install ")
    named = set(done.stderr.split("dnf install ")[1].split())
    assert {"rpm-build", "selinux-policy-devel", "openssh-clients", "iproute"} <= named
    assert not named & {"rpm", "selinux-policy-dev", "openssh-client", "iproute2", "debhelper", "python3-venv"}
