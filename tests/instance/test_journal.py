# SPDX-License-Identifier: Apache-2.0
"""What the journal of a machine shows about eic-sshd's records, and that they arrive at a central store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict

import pytest

from testbed.machines import images
from testbed.machines.client import USER
from testbed.waiting import until
from tools.documents import ROOT

from .instances import Instance

STORE = "/var/log/journal/remote"


def test_journalctl_explains_a_granted_login_and_one_without_a_pushed_key(installed: Instance) -> None:
    key = installed.client.key()
    assert not installed.client.login(key).ok
    installed.aws.push(USER, key.line)
    assert installed.client.login(key).output == USER
    text = installed.machine.run("journalctl", "-x", "-t", "eic-sshd", "--no-pager").stdout
    assert "Subject: sshd received no pushed key: there was none" in text
    assert "Subject: A pushed key was handed to sshd" in text
    assert "What to do" in text


def configurations() -> Dict[str, str]:
    """The files that docs/forwarding.md shows for systemd's journal, by their paths."""
    section = (Path(ROOT) / "docs/forwarding.md").read_text().partition("\n## systemd-journal-upload\n")[2]
    shown = section.partition("\n## ")[0]
    return dict(re.findall(r"`(/etc/[^`]+\.conf)`[^`]*\n\n```(?:ini|conf)\n(.*?)```", shown, re.DOTALL))


CERTIFICATES = """
cd /etc && mkdir -p ssl/journal && cd ssl/journal
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=journal-ca 2>/dev/null
for name in upload store; do
    openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj /CN=$name 2>/dev/null
    echo subjectAltName=DNS:logs.example.org >extensions
    openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $name.pem -days 2 \
        -extfile extensions 2>/dev/null
done
chgrp systemd-journal upload.key
chmod 0640 upload.key
"""


@pytest.fixture
def forwarding(installed: Instance) -> Instance:
    """A machine that is set up as docs/forwarding.md has it: an instance and its store at the same time."""
    if installed.release != "bookworm":
        pytest.skip("one release is enough")
    machine = installed.machine
    installed.apt("install", "--no-install-recommends", *images.FORWARDING)
    machine.shell(CERTIFICATES)
    machine.shell("echo 127.0.0.1 logs.example.org >>/etc/hosts")
    files = configurations()
    assert len(files) == 6
    if "-GNUTLS" in machine.run("/lib/systemd/systemd-journal-remote", "--version").stdout:
        del files["/etc/systemd/journal-remote.conf"]
    for path, text in files.items():
        machine.write(path, text)
    machine.shell("systemctl daemon-reload")
    machine.shell("systemctl enable -q --now stunnel@journal.service systemd-journal-remote.socket")
    machine.shell("systemctl enable -q --now systemd-journal-upload.service")
    return installed


def test_decisions_and_sshds_lines_arrive_at_the_store_as_the_document_has_it(forwarding: Instance) -> None:
    key = forwarding.client.key()
    forwarding.aws.push(USER, key.line)
    assert forwarding.client.login(key).output == USER

    def stored() -> str:
        read = ("journalctl", "-D", STORE, "-t", "eic-sshd", "-t", "sshd", "-o", "verbose", "--no-pager")
        return forwarding.machine.run(*read, check=False).stdout

    until(lambda: f"MESSAGE=Accepted publickey for {USER}" in stored(), "the store has sshd's line", 30)
    text = stored()
    assert "EIC_REASON=granted" in text
    uid = forwarding.machine.run("id", "-u", "eic-sshd").stdout.strip()
    assert f"_UID={uid}" in text
