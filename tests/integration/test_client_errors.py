# SPDX-License-Identifier: Apache-2.0
"""I1: any error prints nothing, exits with 0 and is recorded once. A package that is being replaced costs no login."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import List

import pytest

from .installed_client import CALLER, USER, Client, bare


@pytest.mark.parametrize("arguments", [[], ["a", "b", "c"], ["--config"], ["--wrong", "root"], [""]])
def test_wrong_arguments_are_the_only_nonzero_exit_status(client: Client, arguments: List[str]) -> None:
    done = subprocess.run([client.command, *arguments], capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: authorized-keys ")


def run_altered(client: Client, tmp_path: Path, old: str, new: str) -> subprocess.CompletedProcess[str]:
    """Run the client with its text altered, beside the installed package."""
    source = Path(client.command).read_text()
    assert old in source
    altered = tmp_path / "authorized-keys"
    altered.write_text(source.replace(old, new))
    altered.chmod(0o755)
    arguments = [str(altered), *client.arguments(USER)[1:]]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("module", ["imds/bounded.py", "trust/signer.py"])
def test_library_that_does_not_load_is_named_as_the_reason(
    client: Client, tmp_path: Path, ed25519: str, module: str
) -> None:
    here = tmp_path / "eic_sshd"
    shutil.copytree(Path(client.command).parent / "eic_sshd", here)
    (here / module).write_text("import a_library_that_is_not_there\n")
    client.sandbox.instance.push(USER, ed25519, CALLER)
    done = run_altered(client, tmp_path, "", "")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (record,) = [json.loads(line) for line in client.log.read_text().splitlines()]
    assert record["reason"] == "library-unusable"
    assert "a_library_that_is_not_there" in record["message"]


def test_missing_package_causes_no_traceback(client: Client, tmp_path: Path) -> None:
    done = run_altered(client, tmp_path, "from eic_sshd import client", "from eic_sshd_gone import client")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


REPLACED = """
import os

os.rename(__file__ + ".new", __file__)  # the package manager comes to this file
raise {error}("half of it is new")
"""


@pytest.mark.parametrize(
    "module", ["client.py", "invocation.py", "standalone.py", "imds/bounded.py", "trust/signer.py"]
)
@pytest.mark.parametrize("error", ["ImportError", "AttributeError"])
def test_login_succeeds_while_the_package_is_being_replaced(
    client: Client, tmp_path: Path, ed25519: str, module: str, error: str
) -> None:
    here = tmp_path / "eic_sshd"
    shutil.copytree(Path(client.command).parent / "eic_sshd", here)
    (here / module).rename(here / f"{module}.new")
    (here / module).write_text(REPLACED.format(error=error))
    client.sandbox.instance.push(USER, ed25519, CALLER)
    assert run_altered(client, tmp_path, "", "").stdout == bare(ed25519)
    (record,) = client.log.read_text().splitlines()
    assert '"granted"' in record


OF_ANOTHER_VERSION = """
import os

os.rename(__file__ + ".new", __file__)


def main(arguments):
    raise SystemExit(1)
"""


def test_client_of_another_version_is_run_once_more(client: Client, tmp_path: Path, ed25519: str) -> None:
    here = tmp_path / "eic_sshd"
    shutil.copytree(Path(client.command).parent / "eic_sshd", here)
    (here / "client.py").rename(here / "client.py.new")
    (here / "client.py").write_text(OF_ANOTHER_VERSION)
    client.sandbox.instance.push(USER, ed25519, CALLER)
    assert run_altered(client, tmp_path, "", "").stdout == bare(ed25519)


@pytest.mark.parametrize("text", ["", "raise KeyboardInterrupt", "syntax error", "def main(a, b): raise SystemExit(1)"])
def test_client_that_stays_unusable_prints_nothing_and_exits_with_0(client: Client, tmp_path: Path, text: str) -> None:
    here = tmp_path / "eic_sshd"
    shutil.copytree(Path(client.command).parent / "eic_sshd", here)
    (here / "client.py").write_text(text)
    done = run_altered(client, tmp_path, "", "")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


HANGING = """
    import os, sys, time
    sys.path[:0] = [{lib!r}, "/usr/lib/python3/dist-packages"]
    from eic_sshd import standalone
    from eic_sshd.decide import dependencies
    from eic_sshd.invocation import Invocation
    dependencies.AnyHardware.require_ec2 = lambda hardware: time.sleep(60)
    invocation = Invocation("root", config_file={config!r}, begun=time.monotonic())
    print(standalone.answer(invocation, lambda answer: (print(answer, flush=True), os._exit(0))))
"""


def test_hanging_step_ends_at_the_deadline_and_is_named(client: Client) -> None:
    client.set("imds", deadline=0.3)
    program = textwrap.dedent(HANGING.format(lib=str(Path(client.command).parent), config=str(client.config)))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "b''\n")
    (record,) = [json.loads(line) for line in client.log.read_text().splitlines()]
    assert record["reason"] == "deadline-exceeded"
    assert "the step under way was: reading what hardware this is" in record["message"]
    assert "this process could compute for" in record["message"]
