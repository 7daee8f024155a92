# SPDX-License-Identifier: Apache-2.0
"""What the packages say of themselves, and their scripts."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Dict, Iterator, Tuple

import pytest

from eic_sshd import __version__
from tools.documents import ROOT

from .commands import need, run

SCRIPTS = ("preinst", "postinst", "prerm", "postrm")

# The oldest versions that eic-sshd runs with, by the names that the distributions have.
DEBIAN_DEPENDS = {
    "eic-sshd": {
        "python3 (>= 3.9)", "python3-requests (>= 2.25)", "python3-cryptography (>= 3.4)", "python3-systemd",
        "openssl (>= 3.0)",
        "ca-certificates", "openssh-server (>= 1:8.7)", "systemd | systemd-standalone-sysusers | systemd-sysusers",
        "python3:any",
    },
    "eic-sandbox": {
        "python3 (>= 3.9)", "python3-aiohttp", "python3-yaml", "python3-cryptography (>= 3.4)",
        "python3-requests (>= 2.25)", "python3:any",
    },
    "eic-sshd-selinux": {
        f"eic-sshd (>= {__version__})", "policycoreutils", "selinux-policy-default", "selinux-utils",
    },
}  # fmt: skip
RED_HAT_REQUIRES = {
    "eic-sshd": {
        "python3 >= 3.9", "python3-requests >= 2.25", "python3-cryptography >= 36", "python3-systemd",
        "openssl >= 1:3.0", "ca-certificates", "openssh-server >= 8.7", "systemd",
    },
    "eic-sandbox": {
        "python3 >= 3.9", "python3-aiohttp", "python3-pyyaml", "python3-cryptography >= 36",
        "python3-requests >= 2.25",
    },
    "eic-sshd-selinux": {
        f"eic-sshd >= {__version__}", "policycoreutils", "selinux-policy-targeted", "libselinux-utils",
    },
}  # fmt: skip


def test_packages_have_the_version_of_the_command(debs: Dict[str, Path], rpms: Dict[str, Path]) -> None:
    assert set(debs) == set(rpms) == set(DEBIAN_DEPENDS)
    for deb in debs.values():
        assert run("dpkg-deb", "--field", str(deb), "Version", "Architecture").split() == [
            "Version:", f"{__version__}-1", "Architecture:", "all",
        ]  # fmt: skip
    for rpm in rpms.values():
        form = "%{VERSION}-%{RELEASE} %{ARCH}"
        assert run("rpm", "-qp", "--nosignature", "--queryformat", form, str(rpm)) == f"{__version__}-1 noarch"


@pytest.mark.parametrize("name", DEBIAN_DEPENDS)
def test_dependencies_of_the_deb(name: str, debs: Dict[str, Path]) -> None:
    assert set(run("dpkg-deb", "--field", str(debs[name]), "Depends").strip().split(", ")) == DEBIAN_DEPENDS[name]


@pytest.mark.parametrize("name", RED_HAT_REQUIRES)
def test_dependencies_of_the_rpm(name: str, rpms: Dict[str, Path]) -> None:
    lines = run("rpm", "-qp", "--nosignature", "--requires", str(rpms[name])).splitlines()
    # What rpm itself adds: its own features, its configuration, and the interpreters of scripts.
    assert {line for line in lines if not line.startswith(("rpmlib(", "config(", "/"))} == RED_HAT_REQUIRES[name]
    assert {line for line in lines if line.startswith("/")} <= {"/bin/sh", "/usr/bin/python3"}


@pytest.mark.parametrize(
    ("file", "pattern", "wrong"),
    [
        ("packaging/deb/changelog", r"\(0[^)]*\)", "(9.9.9-1)"),
        ("packaging/rpm/eic-sshd.spec", r"Version: .*", "Version: 9.9.9"),
        ("eic_sandbox/__init__.py", r'__version__ = ".*"', '__version__ = "9.9.9"'),
    ],
)
def test_inconsistent_version_stops_the_build(file: str, pattern: str, wrong: str, tmp_path: Path) -> None:
    for folder in ("packaging", "eic_sshd", "eic_sandbox"):
        shutil.copytree(Path(ROOT) / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    changed = tmp_path / file
    changed.write_text(re.sub(pattern, wrong, changed.read_text(), count=1))
    command = [str(tmp_path / "packaging/build-deb.sh"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        f"eic-sshd: {file} is for version 9.9.9, eic_sshd/__init__.py says {__version__}: give both the same\n"
    )
    assert not (tmp_path / "out").exists()


def scripts(debs: Dict[str, Path], rpms: Dict[str, Path], folder: Path) -> Iterator[Tuple[str, Path]]:
    """Each maintainer script of the packages, as a file."""
    for name, deb in debs.items():
        run("dpkg-deb", "--control", str(deb), str(folder / name))
        for kind in SCRIPTS:
            if (folder / name / kind).exists():
                yield f"{name}.deb {kind}", folder / name / kind
    for name, rpm in rpms.items():
        text = run("rpm", "-qp", "--nosignature", "--scripts", "--triggers", str(rpm))
        # Each begins with a line such as "postinstall scriptlet (using /bin/sh):".
        parts = re.split(
            r"^((?:post|pre|trigger)\w* script(?:let)? \(using /bin/sh\)) ?(?:-- \w+)?:?\n", text, flags=re.MULTILINE
        )[1:]
        for number in range(0, len(parts), 2):
            file = folder / f"{name}-{number}"
            file.write_text(f"#!/bin/sh\n{parts[number + 1]}")
            yield f"{name}.rpm {parts[number]}", file


# Macros of systemd-rpm-macros (macros.systemd in systemd's sources), and what each is called with in which scriptlet.
MACROS = {
    "sysusers_create": ("%post", "eic-sshd.conf"),
    "tmpfiles_create": ("%post", "eic-sshd.conf"),
    "journal_catalog_update": ("%post", ""),
    "systemd_post": ("%post", "eic-sshd.socket"),
    "systemd_preun": ("%preun", "eic-sshd.socket eic-sshd.service"),
    "systemd_postun_with_restart": ("%postun", "eic-sshd.service"),
}


def scriptlets(*options: str) -> Dict[str, str]:
    """The instance package's scriptlets, by name, as rpm reads the spec file with `options`."""
    need("rpmspec")
    spec = run("rpmspec", *options, "-P", f"{ROOT}/packaging/rpm/eic-sshd.spec")
    parts = re.split(r"^(%\w+(?: .*)?)\n", spec, flags=re.MULTILINE)
    return {name: text for name, text in zip(parts[1::2], parts[2::2]) if name in ("%post", "%preun", "%postun")}


def test_the_distributions_scriptlet_macros_are_used_where_they_exist() -> None:
    defined = [option for name in MACROS for option in ("--define", f"{name}() distribution-{name} %{{*}}")]
    found = scriptlets(*defined)
    for name, (scriptlet, arguments) in MACROS.items():
        assert re.search(rf"^ *distribution-{name} {arguments}$", found[scriptlet], re.MULTILINE), name
    assert not [text for text in found.values() if re.search("systemctl (.* )?(preset|disable|try-restart)", text)]


def test_scriptlets_do_the_same_without_the_distributions_macros() -> None:
    found = scriptlets(*(option for name in MACROS for option in ("--undefine", name)))
    for command in ("systemd-sysusers", "systemd-tmpfiles --create"):
        assert f"{command} eic-sshd.conf" in found["%post"]
    assert "journalctl --update-catalog >" in found["%post"]
    assert "systemctl --no-reload preset eic-sshd.socket >" in found["%post"]
    assert "systemctl --no-reload disable --now eic-sshd.socket eic-sshd.service" in found["%preun"]
    assert "systemctl try-restart eic-sshd.service" in found["%postun"]


def test_maintainer_scripts_are_valid_shell(debs: Dict[str, Path], rpms: Dict[str, Path], tmp_path: Path) -> None:
    found = dict(scripts(debs, rpms, tmp_path))
    assert len([name for name in found if ".rpm" in name]) == 10
    for file in found.values():
        run("sh", "-n", str(file))


def test_shellcheck_reports_nothing(debs: Dict[str, Path], rpms: Dict[str, Path], tmp_path: Path) -> None:
    need("shellcheck")
    files = [str(file) for _, file in scripts(debs, rpms, tmp_path)]
    run("shellcheck", "--shell=sh", "--severity=warning", *files)
    run("shellcheck", *(str(path) for path in Path(ROOT).glob("packaging/*.sh")))


def test_upgrade_neither_stops_nor_restarts_the_socket(
    debs: Dict[str, Path], rpms: Dict[str, Path], tmp_path: Path
) -> None:
    texts = {name: file.read_text() for name, file in scripts(debs, rpms, tmp_path)}
    stops = {name for name, text in texts.items() if re.search(r"\b(stop|restart|disable)\b.*\.socket", text)}
    # Those that do, and what of them an upgrade never comes to.
    for_removal = {
        "eic-sshd.deb prerm": '"$1" = remove',
        "eic-sshd.deb postrm": "    remove)\n        [ -e /usr/lib/eic-sshd/authorized-keys ] || forget\n",
        "eic-sshd.rpm preuninstall scriptlet (using /bin/sh)": '[ "$1" = 0 ] || exit 0',
    }
    assert stops == set(for_removal)
    for name, guard in for_removal.items():
        assert guard in texts[name], name


def test_enabling_is_the_last_step_of_the_installation(debs: Dict[str, Path], tmp_path: Path) -> None:
    found = dict(scripts(debs, {}, tmp_path))
    steps = ["py3compile -p", "systemd-sysusers", "systemd-tmpfiles", "deb-systemd-invoke start", "eic-sshd enable"]
    postinst = found["eic-sshd.deb postinst"].read_text()
    places = [postinst.index(step) for step in steps]
    assert places == sorted(places)
    prerm = found["eic-sshd.deb prerm"].read_text()
    assert prerm.index("eic-sshd disable ||") < prerm.index("deb-systemd-invoke stop") < prerm.index("py3clean -p")
