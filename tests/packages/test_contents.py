# SPDX-License-Identifier: Apache-2.0
"""What the packages hold: the same on every distribution, but for the table below."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict

import pytest

from eic_sshd.sshd.processes import Processes
from eic_sshd.sshd.program import Sshd
from eic_sshd.sshd.site import Site
from tools.documents import ROOT

from . import contents
from .commands import run
from .contents import Contents

PACKAGES = ("eic-sshd", "eic-sandbox", "eic-sshd-selinux")

# Where the distributions differ, as patterns for whole paths. Whatever is not named here is the same in both: its path,
# mode, owner and content.
ONLY_DEBIAN = {
    # A .deb holds the folders above its files, a .rpm only those that are its own.
    r"/etc|/usr(/bin|/lib|/share)?": "other packages' folders",
    r"/usr/lib/(systemd(/catalog|/system(-preset)?)?|sysusers\.d|tmpfiles\.d)": "as above",
    r"/usr/share/zsh/vendor-completions(/_eic-(sandbox|sshd))?": "where Debian's zsh looks",
    r"/usr/share/(doc|lintian(/overrides)?|man(/man[58])?|python3(/runtime\.d)?|selinux(/packages)?)": "as above",
    r"/usr/share/doc/eic-sshd(-selinux)?(/changelog\.Debian\.gz|/copyright)?": "Debian Policy 12.5, 12.7",
    r"/usr/share/doc/eic-sandbox/(changelog\.Debian\.gz|copyright)": "as above",
    r"/usr/share/lintian/overrides/(eic-sshd(-selinux)?|eic-sandbox)": "what lintian is not to say",
    r"/usr/share/python3/runtime\.d/(eic-sshd|eic-sandbox)\.rtupdate": "compiles when Python changes; rpm: a trigger",
}
ONLY_RED_HAT = {
    r"/usr/share/zsh/site-functions(/_eic-(sandbox|sshd))?": "where zsh looks",
    r"/usr/share/licenses/(eic-sshd|eic-sandbox)(/LICENSE)?": "Debian has the text in /usr/share/common-licenses",
}


def without(table: Dict[str, str], found: Contents, other: Contents) -> Contents:
    """`found` but for what only it may have."""
    return {
        path: entry
        for path, entry in found.items()
        if path in other or not any(re.fullmatch(pattern, path) for pattern in table)
    }


@pytest.mark.parametrize("name", PACKAGES)
def test_deb_and_rpm_have_the_same_contents(name: str, debs: Dict[str, Path], rpms: Dict[str, Path]) -> None:
    deb, rpm = contents.of_deb(debs[name]), contents.of_rpm(rpms[name])
    assert without(ONLY_DEBIAN, deb, rpm) == without(ONLY_RED_HAT, rpm, deb)


def test_rpm_erases_sshds_drop_in_by_any_of_its_names_and_no_other_file_that_it_does_not_hold(
    rpms: Dict[str, Path],
) -> None:
    ghosts = {name: contents.ghosts_of_rpm(package) for name, package in rpms.items()}
    site = Site(Sshd(), Processes())
    assert ghosts == {"eic-sshd": set(site.our_drop_ins), "eic-sandbox": set(), "eic-sshd-selinux": set()}


def test_paths_that_differ_between_distributions_are_present(debs: Dict[str, Path], rpms: Dict[str, Path]) -> None:
    for table, of, packages in ((ONLY_DEBIAN, contents.of_deb, debs), (ONLY_RED_HAT, contents.of_rpm, rpms)):
        paths = [path for package in packages.values() for path in of(package)]
        for pattern in table:
            assert any(re.fullmatch(pattern, path) for path in paths), pattern


def test_make_install_installs_the_contents_of_the_packages(debs: Dict[str, Path], tmp_path: Path) -> None:
    for target in ("install", "install-sandbox"):
        run("make", "-s", "-C", ROOT, target, "COMPILE=no", f"DESTDIR={tmp_path}")
    by_hand = contents.of_tree(tmp_path)
    packaged = {**contents.of_deb(debs["eic-sshd"]), **contents.of_deb(debs["eic-sandbox"])}
    # Packages compress the manual pages, and have the licence where the distribution wants it.
    pages = {path for path in by_hand if "/share/man/" in path and path[-2:] in (".5", ".8")}
    assert pages
    assert {f"{path}.gz" for path in pages} <= set(packaged)
    for path in {*pages, "/usr/share/doc/eic-sshd/LICENSE", "/usr/share/doc/eic-sandbox/LICENSE"}:
        del by_hand[path]
    assert {path: entry for path, entry in packaged.items() if path in by_hand} == by_hand


@pytest.mark.parametrize("umask", ["0022", "0077"])
def test_make_install_does_not_depend_on_the_umask(umask: str, tmp_path: Path) -> None:
    run("sh", "-c", f"umask {umask} && make -s -C '{ROOT}' install DESTDIR='{tmp_path}/tree'")
    for path, entry in contents.of_tree(tmp_path / "tree").items():
        runs = path in ("/usr/bin/eic-sshd", "/usr/lib/eic-sshd/authorized-keys")
        assert entry.mode == ("0o40755" if not entry.sha256 else "0o100755" if runs else "0o100644"), path


def test_packages_of_instance_and_sandbox_share_no_file(debs: Dict[str, Path], rpms: Dict[str, Path]) -> None:
    for of, packages in ((contents.of_deb, debs), (contents.of_rpm, rpms)):
        instance, sandbox = of(packages["eic-sshd"]), of(packages["eic-sandbox"])
        assert not [path for path in instance if "sandbox" in path]
        assert not [path for path in sandbox if "sshd" in path]
        assert "/usr/lib/eic-sandbox/eic_sandbox/server.py" in sandbox


def test_no_byte_code_and_nothing_of_the_build_is_shipped(debs: Dict[str, Path], rpms: Dict[str, Path]) -> None:
    for of, packages in ((contents.of_deb, debs), (contents.of_rpm, rpms)):
        for package in packages.values():
            assert not [path for path in of(package) if re.search(r"\.pyc$|__pycache__|/build/|tests", path)]


def test_files_belong_to_root_and_only_commands_are_executable(debs: Dict[str, Path], rpms: Dict[str, Path]) -> None:
    may_run = r"/usr/bin/eic-sandbox|/usr/bin/eic-sshd|/usr/lib/eic-sshd/authorized-keys|.*\.rtupdate"
    for of, packages in ((contents.of_deb, debs), (contents.of_rpm, rpms)):
        for package in packages.values():
            for path, entry in of(package).items():
                expected = "0o40755" if not entry.sha256 else "0o100755" if re.fullmatch(may_run, path) else "0o100644"
                assert (entry.mode, entry.owner) == (expected, "root:root"), path


def test_configuration_files_are_conffiles(debs: Dict[str, Path], rpms: Dict[str, Path]) -> None:
    conffiles = run("dpkg-deb", "--info", str(debs["eic-sshd"]), "conffiles").splitlines()
    assert conffiles == ["/etc/eic-sshd/eic-sshd.conf"]
    assert run("rpm", "-qp", "--nosignature", "--configfiles", str(rpms["eic-sshd"])).splitlines() == conffiles


def test_shipped_command_ignores_the_environment(debs: Dict[str, Path], tmp_path: Path) -> None:
    run("dpkg-deb", "--extract", str(debs["eic-sshd"]), str(tmp_path))
    for command in ("usr/bin/eic-sshd", "usr/lib/eic-sshd/authorized-keys"):
        assert (tmp_path / command).read_text().startswith("#!/usr/bin/python3 -IS\n")
