# SPDX-License-Identifier: Apache-2.0
"""The sandbox's package: an image is tried with it where it is built, with no AWS account."""

from __future__ import annotations

import json
from pathlib import Path

from testbed.machines.client import USER
from testbed.waiting import until
from tools.documents import ROOT

from . import packages
from .instances import Instance


def test_packaged_sandbox_runs_and_a_key_pushed_to_it_is_granted(bare: Instance) -> None:
    debs = [bare.machine.copy_in(packages.deb(name)) for name in ("eic-sshd", "eic-sandbox")]
    bare.apt("install", *debs)
    bare.sshd_test()
    key = bare.client.key()
    bare.machine.write("/root/key.pub", f"{key.line}\n")
    bare.machine.run("systemd-run", "--unit=sandbox", "eic-sandbox", "run", "--directory", "/root/sandbox")
    until(lambda: bare.machine.exists("/root/sandbox/sandbox.json"), "the sandbox runs")
    bare.machine.run("eic-sandbox", "push", "--directory", "/root/sandbox", USER, "/root/key.pub")
    command = ["/usr/lib/eic-sshd/authorized-keys", "--socket", "none", "--config", "/root/sandbox/eic-sshd.conf", USER]
    assert bare.machine.run(*command).stdout.split() == key.line.split()[:2]
    bare.machine.run("systemctl", "stop", "sandbox.service")
    bare.apt("purge", "eic-sandbox")
    assert "sandbox" not in bare.machine.shell("ls -R /usr/lib/eic-sshd")
    bare.machine.run("eic-sshd", "--version")


def test_packaged_service_serves_a_world_on_privileged_ports_and_ends_with_its_package(bare: Instance) -> None:
    machine = bare.machine
    bare.apt("install", machine.copy_in(packages.deb("eic-sandbox")))
    assert machine.run("systemctl", "is-enabled", "eic-sandbox.service", check=False).stdout == "disabled\n"
    assert machine.run("systemctl", "is-active", "eic-sandbox.service", check=False).stdout == "inactive\n"
    options = "--imds-port 80 --tls-host 127.0.0.2 --tls-port 443"
    drop_in = f'[Service]\nEnvironment="EIC_SANDBOX_OPTIONS={options}"\n'
    machine.shell("mkdir -p /etc/systemd/system/eic-sandbox.service.d /etc/eic-sandbox")
    machine.write("/etc/systemd/system/eic-sandbox.service.d/options.conf", drop_in)
    # The service is ready when systemctl returns; any user may read its files.
    machine.shell("systemctl daemon-reload && systemctl start eic-sandbox.service")
    command = "setpriv --reuid=nobody --clear-groups eic-sandbox status --directory /run/eic-sandbox"
    status = json.loads(machine.shell(command))
    assert (status["endpoints"]["imds"], status["endpoints"]["tls"]) == ("http://127.0.0.1", "https://127.0.0.2")
    assert [one["id"] for one in status["instances"]] == ["i-0123456789abcdef0"]
    machine.shell("cp /usr/share/doc/eic-sandbox/examples/world.yaml /etc/eic-sandbox/world.yaml")
    machine.shell("systemctl restart eic-sandbox.service")
    assert len(json.loads(machine.shell(command))["instances"]) == 2
    bare.apt("remove", "eic-sandbox")
    assert not machine.exists("/run/eic-sandbox")
    assert "eic_sandbox" not in machine.shell("ps -ef")


def test_image_can_be_tested_without_aws_as_documented(bare: Instance) -> None:
    """The commands of docs/ami.md, word for word."""
    section = (Path(ROOT) / "docs/ami.md").read_text().split("## Testing an image without AWS\n")[1].split("\n## ")[0]
    commands = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    assert len(commands) > 6
    bare.aws.stop()
    bare.machine.shell("ip addr del 169.254.169.254/32 dev lo")
    bare.apt("install", *(bare.machine.copy_in(packages.deb(name)) for name in ("eic-sshd", "eic-sandbox")))
    key = bare.client.key()
    bare.machine.write("/root/key", Path(key.path).read_text(), 0o600)
    bare.machine.write("/root/key.pub", f"{key.line}\n")
    script = "\n".join(["cd /root", *commands])
    for wrote, meant in (("USER", USER), ("KEY", "/root/key"), ("ssh -i", "ssh -o StrictHostKeyChecking=no -i")):
        script = script.replace(wrote, meant)
    assert f" to {USER}, pushed by " in bare.machine.shell(script)


def test_package_of_the_instance_contains_nothing_of_the_sandbox(installed: Instance) -> None:
    assert "sandbox" not in installed.machine.run("dpkg", "-L", "eic-sshd").stdout
    done = installed.machine.run("eic-sshd", "sandbox", "status", check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode != 0
