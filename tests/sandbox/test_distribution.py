# SPDX-License-Identifier: Apache-2.0
"""The distribution eic-sandbox: built and installed offline into a virtual environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from eic_sandbox import __version__
from eic_sandbox.faults import ALL
from testbed.keys import ed25519_line
from tools.documents import ROOT

SOURCE = Path(ROOT) / "eic_sandbox"


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the folder: setuptools writes to the folder that it builds."""
    folder = tmp_path_factory.mktemp("distribution")
    copy = shutil.copytree(SOURCE, folder / "eic_sandbox", ignore=shutil.ignore_patterns("__pycache__", "build"))
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), str(copy))
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, and without this repository on its path."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, system_site_packages=True)
    site_packages = run(str(folder / "bin/python"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    # The libraries that the wheel depends on: those of the environment that runs the tests.
    Path(site_packages.strip(), "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    options = ["--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", "--no-compile"]
    run(sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "install", *options, str(wheel))
    return folder


def test_the_wheel_contains_every_module_of_the_sandbox(wheel: Path) -> None:
    listed = run(sys.executable, "-m", "zipfile", "--list", str(wheel))
    packed = {line.split()[0] for line in listed.splitlines() if line.startswith("eic_sandbox/")}
    modules = {str(path.relative_to(SOURCE.parent)) for path in SOURCE.rglob("*.py") if "build" not in path.parts}
    assert packed == modules


def test_the_installed_command_runs_without_the_repository(environment: Path) -> None:
    command = str(environment / "bin/eic-sandbox")
    assert run(command, "--version") == f"eic-sandbox {__version__}\n"
    assert [line.split()[0] for line in run(command, "faults").splitlines()] == list(ALL)


def test_the_installed_package_imports_all_its_modules_without_eic_sshd(environment: Path) -> None:
    modules = ["eic_sandbox.server", "eic_sandbox.cli"]
    program = f"import sys, {', '.join(modules)}; print([name for name in sys.modules if name.startswith('eic_sshd')])"
    assert run(str(environment / "bin/python"), "-I", "-c", program) == "[]\n"


def test_the_installed_package_gives_pytest_its_fixture(environment: Path, tmp_path: Path) -> None:
    file = tmp_path / "test_push.py"
    file.write_text(
        "import boto3\n\n\n"
        "def test_push(eic_sandbox):\n"
        "    client = boto3.client('ec2-instance-connect', **eic_sandbox.client_arguments())\n"
        f"    key = {ed25519_line()!r}\n"
        "    asked = {'InstanceId': 'i-0123456789abcdef0', 'InstanceOSUser': 'root', 'SSHPublicKey': key}\n"
        "    assert client.send_ssh_public_key(**asked)['Success']\n"
        "    assert [event['eventName'] for event in eic_sandbox.trail()] == ['SendSSHPublicKey']\n"
    )
    command = [str(environment / "bin/python"), "-I", "-m", "pytest", "-p", "no:cacheprovider", "-rA"]
    printed = run(*command, "--rootdir", str(tmp_path), str(file))
    assert "plugins: " in printed
    assert "eic-sandbox-" in printed
    assert "1 passed" in printed
