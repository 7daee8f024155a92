# SPDX-License-Identifier: Apache-2.0
"""docs/ami: what builds images, run as its service runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List

import yaml

from testbed.machines.client import USER
from testbed.machines.machine import Machine
from tools.documents import ROOT

from . import packages
from .instances import instance

BUCKET = "/srv/bucket"
INSTALL = Path(ROOT) / "docs/ami/install.sh"


def component() -> Dict[str, List[str]]:
    """The script of each step of EC2 Image Builder's component, by phase. Only a script's last status counts."""
    found = yaml.safe_load((Path(ROOT) / "docs/ami/image-builder.yml").read_text())
    assert [parameter.keys() for parameter in found["parameters"]] == [{"bucket"}]
    steps = [step for phase in found["phases"] for step in phase["steps"]]
    assert {step["action"] for step in steps} == {"ExecuteBash"}
    return {
        phase["name"]: [
            "\n".join(step["inputs"]["commands"]).replace("{{ bucket }}", BUCKET) for step in phase["steps"]
        ]
        for phase in found["phases"]
    }


def cloud_init() -> List[str]:
    found = yaml.safe_load((Path(ROOT) / "docs/ami/cloud-init.yml").read_text())
    return [command.replace("s3://BUCKET/FOLDER", BUCKET) for command in found["runcmd"]]


def put_bucket(machine: Machine) -> None:
    """A folder in the bucket's place, and a command in the place of `aws s3 cp --recursive`."""
    machine.shell(f"mkdir {BUCKET}")
    for file in (packages.deb(), INSTALL):
        machine.copy_in(file, BUCKET)
    machine.write("/usr/local/bin/aws", '#!/bin/sh\nexec cp -r "$4" "$5"\n', 0o755)


def run_steps(machine: Machine, scripts: List[str], check: bool = True) -> List[int]:
    """Run them with bash one after the other; the status of each. Raises Failed if one fails and `check`."""
    bash = ("env", "PATH=/usr/local/bin:/usr/sbin:/usr/bin", "bash", "-c")
    return [machine.run(*bash, script, timeout=300, check=check).returncode for script in scripts]


def test_cloud_init_recipe_enables_eic_sshd(release: str) -> None:
    with instance(release, boot=False) as built:
        put_bucket(built.machine)
        run_steps(built.machine, cloud_init())
        assert "authorizedkeyscommand /usr/lib/eic-sshd/" in built.machine.run("sshd", "-T").stdout.lower()


def test_image_builder_component_builds_and_tests_an_image(release: str) -> None:
    phases = component()
    assert list(phases) == ["build", "validate", "test"]
    with instance(release, boot=False) as built:
        put_bucket(built.machine)
        for phase in ("build", "validate"):
            run_steps(built.machine, phases[phase])
        built.aws.trust()
        built.machine.boot()
        built.aws.start()
        run_steps(built.machine, phases["test"])
        listens, starts, runs_it, fits = range(4)
        for breakage, failing in (
            ("systemctl stop eic-sshd.socket", {listens}),
            ("systemctl mask -q --now --runtime eic-sshd.service", {starts}),
            ("rm /etc/ssh/sshd_config.d/60-eic-sshd.conf", {runs_it, fits}),
        ):
            built.machine.shell(breakage)
            statuses = run_steps(built.machine, phases["test"], check=False)
            assert failing <= {number for number, status in enumerate(statuses) if status != 0}, breakage
        built.machine.run("systemctl", "disable", "-q", "eic-sshd.socket")
        assert 0 not in run_steps(built.machine, phases["validate"], check=False)


def test_image_builder_script_keeps_edited_configuration_of_an_older_build(release: str, tmp_path: Path) -> None:
    """dpkg would ask which configuration to keep: the package's changed as well."""
    conf = "/etc/eic-sshd/eic-sshd.conf"
    edited = "# edited\n[keys]\nwindow = 50\n"
    with instance(release, boot=False) as built:
        built.install_selinux_policy()
        built.install(packages.deb_of_version("0", tmp_path, {conf: "# of another version\n"}))
        built.machine.write(conf, edited)
        put_bucket(built.machine)
        built.machine.copy_in(packages.deb("eic-sshd-selinux"), BUCKET)
        built.machine.run("sh", f"{BUCKET}/install.sh", timeout=300)
        assert built.machine.run("eic-sshd", "--version").stdout.split()[-1] != "0"
        assert built.machine.read(conf) == edited
        assert "eic_sshd" in built.machine.run("semodule", "--list=full").stdout


SHELL_HELPER = """
mkdir -p p/DEBIAN p/usr/lib/systemd/system/ssh.service.d
cat >p/DEBIAN/control <<END
Package: ec2-instance-connect
Version: 1
Architecture: all
Maintainer: x <x@example.org>
Description: what the shell helper's package does to sshd
END
cat >p/usr/lib/systemd/system/ssh.service.d/ec2-instance-connect.conf <<END
[Service]
ExecStart=
ExecStart=/usr/sbin/sshd -D -o AuthorizedKeysCommand=/x -o AuthorizedKeysCommandUser=x
END
dpkg-deb --build p >/dev/null
dpkg -i p.deb
"""


def test_image_builder_script_replaces_the_shell_helper(release: str) -> None:
    with instance(release, boot=False) as built:
        built.machine.shell(f"cd /tmp; {SHELL_HELPER}")
        assert "ssh.service.d/ec2-instance-connect.conf:3" in built.install(packages.deb())
        built.apt("purge", "eic-sshd")
        script = built.machine.copy_in(INSTALL)
        built.machine.run("sh", script, timeout=300)
        built.aws.trust()
        built.machine.boot()
        built.aws.start()
        key = built.client.key()
        built.aws.push(USER, key.line)
        assert built.client.login(key).output == USER


def test_image_builder_script_fails_where_sshd_would_not_run_eic_sshd(release: str) -> None:
    with instance(release, boot=False) as built:
        built.machine.write("/etc/ssh/sshd_config.d/10-site.conf", "AuthorizedKeysCommand none\n")
        built.machine.copy_in(packages.deb())
        script = built.machine.copy_in(INSTALL)
        done = built.machine.run("sh", script, timeout=300, check=False)
        assert done.returncode == 1
        assert "10-site.conf:1: it sets AuthorizedKeysCommand none" in done.stderr.splitlines()[-1]
