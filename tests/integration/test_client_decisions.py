# SPDX-License-Identifier: Apache-2.0
"""What the installed client prints and records where there is no daemon."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
from pathlib import Path

import pytest

from testbed import keys, private_host
from testbed.keys import fingerprint

from .installed_client import CALLER, USER, Client, bare


def test_pushed_key_is_printed_re_encoded_and_recorded(client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    answer = client.ask(fingerprint=fingerprint(ed25519))
    assert (answer.status, answer.printed, answer.errors) == (0, bare(ed25519), "")
    (record,) = answer.records
    assert record["decision"] == "granted"
    assert record["caller"] == CALLER
    assert record["sshd_pid"] == os.getpid()
    assert record["elapsed_us"] > 0


def test_without_a_fingerprint_every_pushed_key_is_printed(client: Client) -> None:
    lines = [keys.ed25519_line() for _ in range(3)]
    for line in lines:
        client.sandbox.instance.push(USER, line, CALLER)
    answer = client.ask()
    assert sorted(answer.printed.splitlines(keepends=True)) == sorted(map(bare, lines))
    assert answer.reason == "granted"


def test_valid_key_among_nine_bad_blocks_is_printed(client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    client.sandbox.instance.faults.set("mixed-blocks")
    assert client.ask(fingerprint=fingerprint(ed25519)).printed == bare(ed25519)
    assert client.ask().printed == bare(ed25519)


def test_decision_without_pushed_keys_takes_one_read_of_imds(client: Client) -> None:
    assert client.ask().reason == "no-active-keys"
    reads = [f"GET latest/meta-data/managed-ssh-keys/active-keys/{USER}"]
    assert client.sandbox.imds.requests == ["PUT latest/api/token", *reads]


def test_decision_on_a_key_that_is_not_pushed_takes_one_read_of_imds(client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    assert client.ask(fingerprint=fingerprint(keys.ed25519_line())).reason == "fingerprint-mismatch"
    assert len(client.sandbox.imds.requests) == 2


@pytest.mark.parametrize("user", ["../root", "a b", "x" * 200, "\udcff", "-", "root\n", "root;id"])
def test_invalid_user_name_is_refused_without_reading_imds(client: Client, user: str) -> None:
    answer = client.ask(user)
    assert (answer.reason, answer.printed) == ("user-name-invalid", "")
    assert client.sandbox.imds.requests == []


@pytest.mark.skipif(Path("/sys/hypervisor/uuid").exists(), reason="this machine may be an EC2 instance")
def test_imds_is_not_read_outside_ec2(client: Client) -> None:
    client.set("instance", require_ec2_hardware="yes")
    assert client.ask().reason == "not-ec2"
    assert client.sandbox.imds.requests == []


@pytest.mark.parametrize("text", ["[keys]\nwindwo = 1\n", "nonsense", "[imds]\nendpoint = x\n", "[nowhere]\n"])
def test_invalid_configuration_grants_nothing_and_is_recorded(client: Client, ed25519: str, text: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    drop_in = client.config.parent / "conf.d" / "50-bad.conf"
    drop_in.parent.mkdir(exist_ok=True)
    drop_in.write_text(text)
    answer = client.ask(fingerprint=fingerprint(ed25519))
    if text == "nonsense":  # invalidates every section, [log] too: the record goes to the journal
        assert (answer.printed, answer.records) == ("", [])
    else:
        assert (answer.reason, answer.printed) == ("config-invalid", "")
        assert str(drop_in) in answer.records[0]["message"]
    assert client.sandbox.imds.requests == []


def test_missing_ca_file_is_recorded(client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    client.root_pem.unlink()
    answer = client.ask(fingerprint=fingerprint(ed25519))
    assert answer.reason == "config-invalid"
    assert f"[trust] ca_file {client.root_pem}: No such file or directory" in answer.records[0]["message"]


@pytest.mark.skipif(os.geteuid() != 0, reason="a keys file must be root's")
def test_key_on_disk_is_printed_as_the_fallback_setting_says(client: Client, ed25519: str, tmp_path: Path) -> None:
    (tmp_path / f"{USER}.keys").write_text(ed25519 + "\n")
    client.configure(f"[fallback]\nkeys_file = {tmp_path}/%u.keys\nwhen = unavailable\n")
    assert client.ask(fingerprint=fingerprint(ed25519)).printed == ""
    client.sandbox.instance.faults.set("hang")
    answer = client.ask(fingerprint=fingerprint(ed25519))
    assert (answer.reason, answer.printed) == ("fallback-file", bare(ed25519))
    assert answer.records[0]["source"] == "file"


@pytest.mark.skipif(not private_host.is_inside(), reason="needs a /run of its own")
@pytest.mark.parametrize("mode", [0o1777, 0o1775])
def test_link_of_a_user_in_place_of_another_users_keys_file_is_not_followed(
    client: Client, ed25519: str, tmp_path: Path, mode: int
) -> None:
    keys, theirs = Path("/run/keys"), tmp_path / "theirs"
    keys.mkdir(exist_ok=True)
    theirs.write_text(ed25519 + "\n")
    (keys / USER).unlink(missing_ok=True)
    (keys / USER).symlink_to(theirs)
    os.chown(keys / USER, 59982, 59982, follow_symlinks=False)
    client.configure(f"[fallback]\nkeys_file = {keys}/%u\nwhen = no-key\n")
    keys.chmod(mode)
    answer = client.ask(fingerprint=fingerprint(ed25519))
    assert (answer.reason, answer.printed) == ("no-active-keys", "")
    assert "/run/keys: folder writable by" in answer.records[0]["message"]
    keys.chmod(0o755)
    answer = client.ask(fingerprint=fingerprint(ed25519))
    assert (answer.reason, answer.printed) == ("no-active-keys", "")
    assert f"/run/keys/{USER}: symbolic link owned by uid 59982, not by root" in answer.records[0]["message"]
    os.chown(keys / USER, 0, 0, follow_symlinks=False)
    assert client.ask(fingerprint=fingerprint(ed25519)).printed == bare(ed25519)


def test_simultaneous_decisions_are_all_correct(client: Client) -> None:
    lines = [keys.ed25519_line() for _ in range(6)]
    for line in lines[:3]:
        client.sandbox.instance.push(USER, line, CALLER)

    def ask(line: str) -> str:
        arguments = client.arguments(USER, fingerprint(line))
        return subprocess.run(arguments, capture_output=True, text=True, timeout=60).stdout

    client.set("imds", deadline=20, request_timeout=10)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, lines * 3))
    assert answers == [bare(line) if line in lines[:3] else "" for line in lines] * 3
    assert len(client.log.read_text().splitlines()) == 18


def test_rotation_of_signer_and_staples_refuses_no_login(client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    for what in ("rotate_signer", "rotate_staples"):
        getattr(client.sandbox.instance, what)()
        assert client.ask(fingerprint=fingerprint(ed25519)).printed == bare(ed25519)


@pytest.mark.parametrize("names", ["", "\u00e9\n", "x" * 5000])
def test_invalid_fingerprint_is_a_mismatch(client: Client, ed25519: str, names: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    answer = client.ask(fingerprint=names)
    assert answer.reason == ("fingerprint-mismatch" if names else "granted")
