# SPDX-License-Identifier: Apache-2.0
"""The installed `eic-sshd explain` beside the installed client: the same decision, and no trace of it."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

import pytest

from eic_sandbox.faults import BLOCK_FAULTS, IMDS_FAULTS, METADATA_FAULTS, SIGNER_FAULTS
from eic_sandbox.server import Sandbox
from testbed import keys, private_host
from testbed.keys import fingerprint

from .daemon import Daemon
from .installed_client import CALLER, USER, Client, clean_environment

FAULTS = sorted({*IMDS_FAULTS, *SIGNER_FAULTS, *BLOCK_FAULTS, *METADATA_FAULTS})
RULES_OF_BLOCKS = range(4, 10)


@pytest.fixture
def client(request: pytest.FixtureRequest, tree: Path, tmp_path: Path, sandbox: Sandbox) -> Client:
    """A client whose files the command's user can read, as that user decides where root explains."""
    if not private_host.is_inside():
        return Client(tree, tmp_path, sandbox)
    found: Client = request.getfixturevalue("login_client")
    return found


class Explained:
    """What `eic-sshd explain` printed, and its exit status."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.status, self.printed, self.errors = done.returncode, done.stdout, done.stderr

    @property
    def document(self) -> Dict[str, Any]:
        assert (self.status, self.errors) == (0, "")
        found = json.loads(self.printed)
        assert isinstance(found, dict)
        return found


def explain(
    client: Client,
    *words: str,
    env: Optional[Dict[str, str]] = None,
    given: Optional[str] = None,
    wrapper: Sequence[str] = (),
) -> Explained:
    """Run the installed command with the client's configuration."""
    program = Path(client.command).parents[2] / "bin/eic-sshd"
    arguments = [*wrapper, str(program), "explain", "--config", str(client.config), *words]
    return Explained(
        subprocess.run(
            arguments, input=given, capture_output=True, text=True, timeout=60, cwd="/", env=env or clean_environment()
        )
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_decision_is_that_of_the_client_with_each_fault_of_the_sandbox(
    client: Client, ed25519: str, fault: str
) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    client.sandbox.instance.faults.set(fault)
    answer = client.ask(fingerprint=fingerprint(ed25519))
    document = explain(client, USER, fingerprint(ed25519), "--json").document
    assert document["reason"] == answer.reason
    assert "".join(f"{line}\n" for line in document["sshd_gets"]) == answer.printed
    broken = [rule for rule in document["rules"] if rule["state"] == "problem"]
    assert [rule["rule"] for rule in broken] == [number for number in [document["rule"]] if number in range(4)]
    for block in document["blocks"]:
        problems = [rule["rule"] for rule in block["rules"] if rule["state"] == "problem"]
        assert problems == [number for number in [block["rule"]] if number in RULES_OF_BLOCKS]


def test_lines_are_those_that_sshd_gets_with_options(client: Client, ed25519: str) -> None:
    client.configure("[keys]\noptions = restrict,pty\n")
    client.sandbox.instance.push(USER, ed25519, CALLER)
    client.sandbox.instance.push(USER, keys.rsa_line(2048), CALLER)
    answer = client.ask()
    document = explain(client, USER, "--json").document
    assert sorted(f"{line}\n" for line in document["sshd_gets"]) == sorted(answer.printed.splitlines(keepends=True))
    assert document["sshd_gets"][0].startswith("restrict,pty ssh-")


def test_no_record_is_written(client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    for words in ([USER], [USER, fingerprint(ed25519)], ["no-such-user-here"]):
        assert explain(client, *words).status == 0
    assert not client.log.exists()


def test_memory_of_the_daemon_is_neither_used_nor_filled(client: Client, daemon: Daemon, ed25519: str) -> None:
    other = keys.ed25519_line()
    for line in (ed25519, other):
        client.sandbox.instance.push(USER, line, CALLER)
    assert client.ask(fingerprint=fingerprint(ed25519)).reason == "granted"
    assert explain(client, USER, fingerprint(other), "--json").document["reason"] == "granted"
    client.sandbox.instance.forget_keys()
    assert client.ask(fingerprint=fingerprint(ed25519)).reason == "granted"  # the daemon remembers this one
    assert explain(client, USER, fingerprint(ed25519), "--json").document["reason"] == "no-active-keys"
    assert client.ask(fingerprint=fingerprint(other)).reason == "no-active-keys"


def test_only_what_a_decision_needs_is_read(client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    explain(client, USER, fingerprint(ed25519))
    requests = list(client.sandbox.imds.requests)
    assert requests[0] == "PUT latest/api/token"
    assert len(requests) == len(set(requests))
    client.sandbox.imds.requests.clear()
    client.ask(fingerprint=fingerprint(ed25519))
    assert requests == client.sandbox.imds.requests


def test_token_is_neither_printed_nor_saved(client: Client, ed25519: str, tmp_path: Path) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    printed = explain(client, USER, "--save", str(tmp_path / "case")).printed
    printed += explain(client, USER, "--json").printed
    tokens = list(client.sandbox.imds._tokens)
    assert tokens != []
    saved = b"".join(file.read_bytes() for file in (tmp_path / "case").iterdir())
    for token in tokens:
        assert token not in printed
        assert token.encode() not in saved


def test_saved_answers_are_decided_on_again_when_imds_is_gone(client: Client, ed25519: str, tmp_path: Path) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    client.sandbox.instance.faults.set("mixed-blocks")
    folder = tmp_path / "case"
    saved = explain(client, USER, fingerprint(ed25519), "--save", str(folder), "--json").document
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    client.configure(endpoint="http://127.0.0.1:9")
    client.sandbox.imds.requests.clear()
    again = explain(client, "--from", str(folder), "--json").document
    assert (again["decision"], again["blocks"], again["rules"]) == ("granted", saved["blocks"], saved["rules"])
    later = explain(client, "--from", str(folder), "--as-of", "2030-01-01T00:00:00Z", "--json").document
    assert later["decision"] == "refused"
    assert client.sandbox.imds.requests == []


def test_public_key_is_read_from_a_file_and_from_standard_input(client: Client, ed25519: str, tmp_path: Path) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    (tmp_path / "id.pub").write_text(ed25519 + "\n")
    for word, given in ((str(tmp_path / "id.pub"), None), ("-", ed25519)):
        document = explain(client, USER, word, "--json", given=given).document
        assert (document["fingerprint"], document["reason"]) == (fingerprint(ed25519), "granted")


def test_environment_changes_nothing(client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), "http://127.0.0.1:9")
    env = {**clean_environment(), **proxies, "OPENSSL_CONF": "/nonexistent", "PYTHONPATH": "/nonexistent", "LANG": "x"}
    assert explain(client, USER, fingerprint(ed25519), "--json", env=env).document["reason"] == "granted"


def test_output_has_no_colours_where_it_is_no_terminal(client: Client) -> None:
    env = {**clean_environment(), "TERM": "xterm-256color"}
    assert "\x1b" not in explain(client, USER, env=env).printed


@pytest.mark.parametrize("word", ["x", "/", "/dev/zero", "SHA256:x"])
def test_key_that_cannot_be_used_is_a_usage_error(client: Client, word: str) -> None:
    done = explain(client, USER, word)
    assert (done.status, done.printed) == (2, "")
    assert done.errors.startswith("eic-sshd: ")
    assert "Traceback" not in done.errors


@pytest.mark.skipif(not private_host.is_inside(), reason="needs other users (needs root)")
def test_root_explains_what_the_commands_user_would_decide(client: Client, ed25519: str, tmp_path: Path) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    document = explain(client, USER, "--json", "--save", str(tmp_path / "case")).document
    assert (document["decided_as"], document["reason"], document["notes"]) == ("eic-sshd", "granted", [])
    assert (tmp_path / "case").stat().st_uid == 0
    client.root_pem.chmod(0o600)
    document = explain(client, USER, "--json").document
    assert (document["reason"], "root.pem: Permission denied" in document["detail"]) == ("config-invalid", True)
    assert document["notes"] == ["A file cannot be read by the user eic-sshd (see above)."]


@pytest.mark.skipif(not private_host.is_inside(), reason="needs other users (needs root)")
def test_without_root_it_says_what_it_could_not_see(client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    other = ["setpriv", f"--reuid={private_host.ACCOUNTS['deploy']}", "--clear-groups"]
    document = explain(client, USER, "--json", wrapper=other).document
    assert (document["decided_as"], document["reason"], document["notes"]) == ("deploy", "granted", [])
    client.config.chmod(0o600)
    document = explain(client, USER, "--json", wrapper=other).document
    assert (document["decision"], document["reason"]) == ("error", "config-invalid")
    assert document["notes"] == ["A file cannot be read by the user deploy (see above). Run this command as root."]
    client.config.chmod(0o644)
    client.configure(endpoint="http://127.0.0.1:9")
    document = explain(client, USER, "--json", wrapper=other).document
    assert document["reason"] == "imds-unreachable"
    (note,) = document["notes"]
    assert note.startswith("A firewall may treat users differently: IMDS was requested as deploy, and")
    assert explain(client, USER, "--json").document["notes"] == []


def test_caller_is_answered_without_imds(client: Client) -> None:
    client.configure(
        f'[policy "admins"]\ncallers = {CALLER}\nos_users = {USER}\n', endpoint="http://127.0.0.1:9"
    )  # fmt: skip
    assert explain(client, "--caller", CALLER, USER, "--json").document["decision"] == "allowed"
    assert explain(client, "--caller", f"{CALLER}x", USER, "--json").document["reason"] == "caller-forbidden"
