# SPDX-License-Identifier: Apache-2.0
"""The command that a site had before: it and eic-sshd never take each other's keys away."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

from eic_sshd.config.loader import ConfigError, load
from eic_sshd.decide.chained_command import MESSAGE_ID
from testbed import private_host, waiting
from testbed.keys import fingerprint

from .daemon import Daemon
from .installed_client import CALLER, STARTING, USER, Answer, Client, bare

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="a chained command must be root's (needs root)")

THEIRS = 'restrict,command="true" ssh-ed25519 AAAA chained\n'
PRINT = f"cat <<'KEYS'\n{THEIRS}KEYS"
Site = Callable[..., Client]


@pytest.fixture(params=["daemon", "in-process"])
def site(request: pytest.FixtureRequest, client: Client) -> Iterator[Site]:
    """Makes the client of a site whose own command is a script of the given lines, in a folder of root's."""
    folder = Path(private_host.HOME) / "chained"
    folder.mkdir(mode=0o755, exist_ok=True)
    script = folder / "command"
    daemons: List[Daemon] = []

    def make(lines: str, arguments: str = "%u", extra: str = "", mode: int = 0o755) -> Client:
        script.unlink(missing_ok=True)
        script.write_text(f"#!/bin/sh\n{lines}\n")
        script.chmod(mode)
        client.configure(extra=f"{extra}\n[chain]\ncommand = {script} {arguments}\n")
        if request.param == "daemon":
            daemons.append(Daemon(client))
        return client

    yield make
    for daemon in daemons:
        daemon.stop()


def wait_for(path: Path) -> str:
    """The text of the file at `path`, when it has one."""
    return waiting.until(lambda: path.exists() and path.read_text(), f"text in {path}") or ""


def runs(pid: int) -> bool:
    """Whether the process still runs; one that has ended and only waits to be taken note of does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def chained(answer: Answer) -> Dict[str, Any]:
    """The record of the chained command; there is a decision's as well."""
    (record,) = (record for record in answer.records if record["message_id"] == MESSAGE_ID)
    assert len(answer.records) == 2
    return record


def test_client_prints_pushed_keys_before_those_of_the_chained_command(site: Site, ed25519: str) -> None:
    client = site(PRINT)
    client.sandbox.instance.push(USER, ed25519, CALLER)
    answer = client.ask()
    assert (answer.status, answer.printed, answer.errors) == (0, bare(ed25519) + THEIRS, "")
    record = chained(answer)
    assert record["chain_status"] == 0
    assert record["sshd_pid"] == os.getpid()
    assert record["user"] == USER
    assert record["elapsed_us"] > 0
    assert record["message"].endswith("for root: exit status 0, 1 line")


def test_client_prints_the_chained_commands_keys_when_no_key_is_pushed(site: Site, ed25519: str) -> None:
    answer = site(PRINT).ask(fingerprint=fingerprint(ed25519))
    assert answer.printed == THEIRS
    assert chained(answer)["fingerprint"] == fingerprint(ed25519)


def test_chained_command_is_not_run_when_the_named_key_is_granted(site: Site, ed25519: str) -> None:
    client = site("sleep 60")
    client.sandbox.instance.push(USER, ed25519, CALLER)
    answer = client.ask(fingerprint=fingerprint(ed25519))
    assert (answer.printed, answer.reason) == (bare(ed25519), "granted")
    assert answer.seconds < 1 + STARTING


def test_chained_command_gets_tokens_environment_and_streams_as_from_sshd(site: Site, tmp_path: Path) -> None:
    client = site(
        'echo "$#:$1:$2:$3"; env | grep -Ev "^(_|PWD)=" | sort; readlink /proc/self/fd/0 /proc/self/fd/2',
        arguments="'a b %u' %f%%",
    )
    answer = client.ask(
        fingerprint="SHA256:x", env={"EVIL": "1", "LANG": "C.UTF-8", "PATH": "/evil", "LD_PRELOAD": "/evil.so"}
    )
    assert answer.printed.splitlines() == [
        "2:a b root:SHA256:x%:",
        "EIC_SSHD_CHAINED=1",
        "HOME=/root",
        "LANG=C.UTF-8",
        "LOGNAME=root",
        "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/usr/games",
        "USER=root",
        "/dev/null",
        "/dev/null",
    ]


def test_tokens_that_only_sshd_knows_reach_the_chained_command(site: Site) -> None:
    client = site('printf "%s\\n" "$@"', arguments="%k '%h %t'")
    more = ["--token", "k=AAAA==", "--token", "h=/home/a b", "--token", "t=ssh-ed25519"]
    assert client.ask(user=USER, more=more).printed == "AAAA==\n/home/a b ssh-ed25519\n"


def test_token_that_sshd_does_not_pass_is_named(site: Site) -> None:
    answer = site(PRINT, arguments="%k").ask()
    assert answer.printed == ""
    assert "sshd does not pass %k: run `eic-sshd enable --chain` again" in chained(answer)["message"]


ENDINGS = {
    "failing": ("echo half; exit 3", "exit status 3, so what it printed does not count"),
    "killed": ("echo half; kill -9 $$", "ended by signal 9, so what it printed does not count"),
    "hanging": ("echo half; sleep 60 & wait", "it did not end in time, and was ended"),
    "endless": ("exec cat /dev/zero", "it printed more than 16777216 bytes, and was ended"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_failing_chained_command_does_not_suppress_a_pushed_key(site: Site, ed25519: str, ending: str) -> None:
    lines, says = ENDINGS[ending]
    client = site(lines)
    client.sandbox.instance.push(USER, ed25519, CALLER)
    answer = client.ask()
    assert (answer.status, answer.printed) == (0, bare(ed25519))
    assert says in chained(answer)["message"]
    assert answer.seconds < 3 + STARTING


@pytest.mark.parametrize("fault", ["hang", "error-500", "garbage", "forbidden"])
def test_failing_imds_does_not_suppress_the_chained_commands_keys(site: Site, fault: str) -> None:
    client = site(PRINT)
    client.sandbox.instance.faults.set(fault)
    assert client.ask(fingerprint="SHA256:x").printed == THEIRS


def test_slow_decision_leaves_time_for_the_chained_command(site: Site) -> None:
    client = site(f"sleep 0.3; {PRINT}")
    client.set("imds", deadline=1.5, request_timeout=1.4)
    client.sandbox.instance.faults.set("hang")
    assert client.ask(fingerprint="SHA256:x").printed == THEIRS


def test_invalid_setting_of_another_section_does_not_stop_the_chained_command(site: Site) -> None:
    answer = site(PRINT, extra="[keys]\nwindow = soon\n").ask()
    assert answer.printed == THEIRS
    assert answer.records[0]["reason"] == "config-invalid"


def test_chained_command_with_a_remaining_child_ends_at_the_deadline(site: Site) -> None:
    answer = site(f"sleep 20 & {PRINT}").ask()
    assert answer.printed == THEIRS
    assert answer.seconds < 3 + STARTING


def test_output_of_the_chained_commands_child_counts_as_with_sshd(site: Site) -> None:
    assert site(f"(sleep 0.2; {PRINT}\n) &").ask().printed == THEIRS


def test_chained_command_that_runs_the_client_is_not_run_again(site: Site, tmp_path: Path) -> None:
    client = site(f"echo >>{tmp_path}/runs; exec sh {tmp_path}/again")
    (tmp_path / "again").write_text(shlex.join(client.arguments(USER)))
    client.ask()
    assert (tmp_path / "runs").read_text() == "\n"


def test_chained_command_has_default_signal_handling(client: Client) -> None:
    client.configure(extra='[chain]\ncommand = /usr/bin/grep -E "^Sig(Blk|Ign)" /proc/self/status\n')
    found = [line.split() for line in client.ask().printed.splitlines()]
    masks = {name: int(mask, 16) for name, mask in found}
    ignored = [number for number in (signal.SIGPIPE, signal.SIGXFSZ) if masks["SigIgn:"] >> number - 1 & 1]
    assert (ignored, masks["SigBlk:"]) == ([], 0)


def test_chained_command_ends_when_sshd_ends_its_children(site: Site, tmp_path: Path) -> None:
    client = site(f"echo $$ >{tmp_path}/pid; sleep 30")
    with subprocess.Popen(client.arguments(USER), stdout=subprocess.PIPE) as asking:
        pid = int(wait_for(tmp_path / "pid"))
        asking.terminate()
        assert asking.wait(timeout=30) == 0
    waiting.until(lambda: not runs(pid), "the command has ended")
    assert "sshd gave up waiting" in client.log.read_text()


def test_last_line_of_the_chained_command_may_lack_its_newline(site: Site) -> None:
    assert site("printf 'ssh-ed25519 AAAA'").ask().printed == "ssh-ed25519 AAAA\n"


def test_chained_command_in_a_folder_that_others_may_write_to_is_not_run(client: Client) -> None:
    program = Path("/tmp/eic-sshd-chained")
    program.write_text("#!/bin/sh\necho never\n")
    program.chmod(0o755)
    client.configure(extra=f"[chain]\ncommand = {program}\n")
    answer = client.ask()
    program.unlink()
    assert answer.printed == ""
    assert "/tmp: folder writable by others (mode 1777)" in chained(answer)["message"]


@pytest.mark.parametrize("fault", ["stray\n", "[keys\n", "[keys]\nwindow = 60\nwindow = 61\n"])
def test_invalid_file_without_a_command_does_not_stop_the_chained_command(site: Site, fault: str) -> None:
    client = site(PRINT)
    drop_in = client.config.parent / "conf.d/70-broken.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(fault)
    assert client.ask().printed == THEIRS


def test_invalid_file_with_a_command_stops_the_chained_command(client: Client) -> None:
    client.configure(extra="[chain]\ncommand = /usr/bin/true\nstray\n")
    with pytest.raises(ConfigError, match=r"\[chain\] command: it does not run either") as error:
        load(str(client.config))
    assert error.value.salvaged.chain.command is None


def test_chained_command_that_others_may_write_to_is_not_run(site: Site) -> None:
    answer = site(PRINT, mode=0o777).ask()
    assert answer.printed == ""
    assert "writable by others (mode 0777). Run `chmod go-w" in chained(answer)["message"]


def test_chained_command_that_is_not_executable_is_reported(site: Site) -> None:
    answer = site(PRINT, mode=0o644).ask()
    assert answer.printed == ""
    assert "it can't be run: Permission denied" in chained(answer)["message"]


def test_missing_chained_command_is_reported(site: Site) -> None:
    client = site(PRINT)
    (Path(private_host.HOME) / "chained/command").unlink()
    answer = client.ask()
    assert answer.printed == ""
    assert "it can't be run: No such file or directory" in chained(answer)["message"]


def test_output_of_the_chained_command_is_printed_unparsed(site: Site) -> None:
    hostile = "head -c 300000 /dev/urandom | base64 -w0; printf '\\0\\377\\n'"
    done = subprocess.run(site(hostile).arguments(USER), capture_output=True, timeout=30)
    assert done.stdout.endswith(b"\0\xff\n")
    assert len(done.stdout) == 400000 + 3
