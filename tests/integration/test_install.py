# SPDX-License-Identifier: Apache-2.0
"""What `make install DESTDIR=D` lays out, and that it runs from there."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from eic_sshd.config.schema import SECTIONS
from testbed import private_host
from tools.documents import ROOT

from .installed_client import clean_environment


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(tree / "usr/bin/eic-sshd"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, env={}, cwd="/")


def test_every_module_of_the_instances_side_is_installed_and_byte_compiled(tree: Path) -> None:
    package = Path(ROOT) / "eic_sshd"
    wanted = {str(path.relative_to(package)) for path in package.rglob("*.py")}
    installed = tree / "usr/lib/eic-sshd/eic_sshd"
    assert {str(path.relative_to(installed)) for path in installed.rglob("*.py")} == wanted
    assert len(list(installed.rglob("*.pyc"))) == len(wanted)


def test_nothing_of_the_sandbox_is_installed(tree: Path) -> None:
    assert not [path for path in (tree / "usr/lib").rglob("*") if "sandbox" in path.name]


def test_files_are_readable_by_all_and_writable_by_their_owner_only(tree: Path) -> None:
    commands = (tree / "usr/bin/eic-sshd", tree / "usr/lib/eic-sshd/authorized-keys")
    for path in tree.rglob("*"):
        mode = stat.S_IMODE(os.lstat(path).st_mode)
        assert mode == (0o755 if path.is_dir() or path in commands else 0o644), path


def test_no_path_of_the_build_is_in_what_is_installed(tree: Path) -> None:
    for path in tree.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert str(tree).encode() not in content, path
            assert ROOT.encode() not in content, path


@pytest.mark.parametrize(
    "path",
    [
        "usr/lib/eic-sshd/authorized-keys",
        "usr/bin/eic-sshd",
        "etc/eic-sshd/eic-sshd.conf",
        "etc/eic-sshd/conf.d",
        "usr/share/eic-sshd/60-eic-sshd.conf",
        "usr/share/doc/eic-sshd/LICENSE",
        "usr/share/doc/eic-sshd/docs/reasons.md",
    ],
)
def test_the_layout_is_that_of_the_packages(tree: Path, path: str) -> None:
    assert (tree / path).exists()


def test_installed_command_runs_with_the_systems_python(tree: Path) -> None:
    done = run(tree, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "check-config" in done.stdout
    assert "sandbox" not in done.stdout


def test_installed_configuration_is_valid_and_shows_every_setting(tree: Path) -> None:
    done = run(tree, "check-config", "--config", str(tree / "etc/eic-sshd/eic-sshd.conf"))
    assert (done.returncode, done.stderr) == (0, "")
    for section in SECTIONS:
        for setting in section.settings:
            # A section that repeats is a comment in that file.
            assert (f"\n{setting.name} =" in done.stdout) is not section.repeats


def test_check_config_shows_each_policy(tree: Path, tmp_path: Path) -> None:
    file = tmp_path / "eic-sshd.conf"
    policy = '[policy "a b"]\ncallers = arn:aws:iam::123456789012:user/alice\nos_users = x* "@domain users"\n'
    file.write_text(policy)
    done = run(tree, "check-config", "--config", str(file))
    assert done.returncode == 0
    assert policy in done.stdout
    assert "no such group" not in done.stderr  # the file may be another machine's
    assert "ok: [policy]: not applied to keys in sshd's AuthorizedKeysFile" in done.stderr


def test_invalid_configuration_is_reported_with_its_line(tree: Path, tmp_path: Path) -> None:
    bad = tmp_path / "eic-sshd.conf"
    bad.write_text("[keys]\nwindow = soon\n")
    done = run(tree, "check-config", "--config", str(bad))
    assert done.returncode == 1
    problem = "[keys] window is invalid ('soon'). Use a whole number from 1 to 3600 (seconds)."
    assert f"eic-sshd: {bad}:2: {problem}\n" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["check-config", "--nonsense"], ["check-config", "--fail-on", "nonsense"],
                  ["enable", "--chain", "--replace"]]
)  # fmt: skip
def test_unknown_subcommands_and_options_are_usage_errors(tree: Path, arguments: list[str]) -> None:
    done = run(tree, *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_installed_sandbox_runs_without_eic_sshd(tmp_path: Path) -> None:
    command = ["make", "-s", "-C", ROOT, "install-sandbox", f"DESTDIR={tmp_path}"]
    subprocess.run(command, check=True, env=clean_environment())
    assert not (tmp_path / "usr/lib/eic-sshd").exists()
    program = str(tmp_path / "usr/bin/eic-sandbox")
    done = subprocess.run([program, "faults"], capture_output=True, text=True, timeout=20, env={}, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")
    assert "stale-staples" in done.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[trust]\nca_file = /no/such.pem\n", "[trust] ca_file /no/such.pem: No such file or directory"),
        ("[trust]\nca_file = /etc/hostname\n", "has no certificate in it"),
        (
            "[fallback]\nwhen = unavailable\n",
            "[fallback] when: unavailable has no effect without keys_file. Set [fallback] keys_file",
        ),
        ("[fallback]\nkeys_file = /no/such/%u\n", "[fallback] keys_file: there is no folder /no/such"),
        ("[log]\ndestination = /no/such/log\n", "[log] destination: there is no folder /no/such"),
        (
            "[imds]\nrequest_timeout = 9\n",
            "[imds] request_timeout: 9 s is longer than a decision may take (3 s: deadline)",
        ),
        (
            "[imds]\nrequest_timeout = 2.5\n[chain]\ncommand = /usr/bin/true\n",
            "(2 s: deadline, less the time reserved for [chain] command). Lower it, or raise [imds] deadline.",
        ),
    ],
)
def test_valid_configuration_that_cannot_work_is_reported(tree: Path, tmp_path: Path, text: str, says: str) -> None:
    config = tmp_path / "eic-sshd.conf"
    config.write_text(text)
    done = run(tree, "check-config", "--config", str(config))
    assert done.returncode == 1
    assert says in done.stderr


@pytest.mark.skipif(not private_host.is_inside(), reason="becomes another user (needs root)")
def test_check_config_fails_when_it_cannot_examine_sshd(tree: Path) -> None:
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(tree / "usr/bin/eic-sshd")]
    strict = subprocess.run([*as_nobody, "check-config", "--strict"], capture_output=True, text=True, timeout=20)
    assert strict.returncode == 1
    assert "sshd's settings: only root can read them. Run it as root." in strict.stderr
    plain = subprocess.run([*as_nobody, "check-config"], capture_output=True, text=True, timeout=20)
    assert "run it as root" not in plain.stderr


def test_unwritable_output_causes_no_traceback(tree: Path) -> None:
    command = [str(tree / "usr/bin/eic-sshd"), "check-config", "--config", str(tree / "etc/eic-sshd/eic-sshd.conf")]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (1, "eic-sshd: standard output: No space left on device\n")
