# SPDX-License-Identifier: Apache-2.0
"""The resident authorizer as a process of its own, asked by the installed front door."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator, Optional

import pytest

from eic_sshd.daemon import protocol
from eic_sshd.daemon.server import allowed_peer_uids
from testbed import keys, processes
from testbed.keys import fingerprint

from .door import CALLER, STARTING, USER, Door, bare
from .service import Service, ask, asking, connected, reads

# Answers.


def test_the_service_answers_as_the_front_door_would_by_itself(service: Service, door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    answer = ask(door, ed25519)
    assert (answer.status, answer.printed, answer.errors) == (0, bare(ed25519), "")
    (record,) = answer.records
    assert (record["decision"], record["source"], record["caller"]) == ("granted", "imds", CALLER)
    assert record["sshd_pid"] == os.getpid()


def test_once_warm_a_login_costs_one_request_to_imds(service: Service, door: Door, ed25519: str) -> None:
    first = keys.ed25519_line()
    door.sandbox.instance.push(USER, first, CALLER)
    ask(door, first)
    reads(door)
    door.sandbox.instance.push(USER, ed25519, CALLER)
    # sshd asks once for the offered key and once more for its signature.
    answers = [ask(door, ed25519) for _ in range(2)]
    assert [answer.records[0]["source"] for answer in answers] == ["imds", "cache"]
    assert [answer.printed for answer in answers] == [bare(ed25519)] * 2
    assert answers[1].records[0]["caller"] == CALLER
    assert reads(door) == 1


def test_once_warm_no_key_costs_one_request(service: Service, door: Door) -> None:
    ask(door)
    reads(door)
    assert ask(door).reason == "no-active-keys"
    assert reads(door) == 1


def test_a_key_pushed_a_moment_after_there_was_none_works_at_once(service: Service, door: Door, ed25519: str) -> None:
    assert ask(door, ed25519).printed == ""
    door.sandbox.instance.push(USER, ed25519, CALLER)
    assert ask(door, ed25519).printed == bare(ed25519)


def test_a_remembered_key_is_for_its_user_only(service: Service, door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    assert ask(door, ed25519).printed == bare(ed25519)
    assert ask(door, ed25519, user="nobody").printed == ""


def test_a_remembered_key_expires(service: Service, door: Door, ed25519: str) -> None:
    door.sandbox.instance.window = 2
    try:
        door.sandbox.instance.push(USER, ed25519, CALLER)
        assert ask(door, ed25519).printed == bare(ed25519)
        time.sleep(2.1)
        assert ask(door, ed25519).reason == "no-active-keys"
    finally:
        door.sandbox.instance.window = 60


def test_a_rotated_signer_is_verified_anew_without_a_login_lost(service: Service, door: Door) -> None:
    for _ in range(3):
        line = keys.ed25519_line()
        door.sandbox.instance.push(USER, line, CALLER)
        assert ask(door, line).printed == bare(line)
        door.sandbox.instance.rotate_signer()


def test_a_signer_that_is_revoked_after_a_rotation_is_refused(service: Service, door: Door) -> None:
    first, second = keys.ed25519_line(), keys.ed25519_line()
    door.sandbox.instance.push(USER, first, CALLER)
    assert ask(door, first).printed == bare(first)
    door.sandbox.instance.rotate_signer()
    door.sandbox.instance.faults.set("revoked")
    door.sandbox.instance.push(USER, second, CALLER)
    assert ask(door, second).reason == "signer-revoked"


def test_expired_tokens_are_renewed(service: Service, door: Door) -> None:
    ask(door)
    door.sandbox.imds.forget_tokens()
    reads(door)
    assert ask(door).reason == "no-active-keys"
    assert reads(door) == 3


def test_the_front_door_told_of_another_configuration_decides_by_that(
    service: Service, door: Door, ed25519: str
) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    other = door.config.with_name("other.conf")
    other.write_text(door.config.read_text() + "[keys]\ntypes = ssh-rsa\n")
    arguments = [door.command, "--socket", door.socket, "--config", str(other), USER]
    assert subprocess.run(arguments, capture_output=True, text=True, timeout=20).stdout == ""
    assert '"key-type-forbidden"' in door.log.read_text()


# An IMDS that is silent, and one that errs.


def test_a_silent_imds_is_waited_for_once_and_not_again_for_a_while(service: Service, door: Door) -> None:
    door.sandbox.instance.faults.set("hang")
    first = ask(door)
    assert (first.reason, first.records[0]["elapsed_us"] > 900_000) == ("imds-unreachable", True)
    reads(door)
    for _ in range(3):
        later = ask(door)
        assert (later.reason, later.records[0]["elapsed_us"] < 500_000) == ("imds-unreachable", True)
    assert reads(door) == 0


@pytest.mark.parametrize("fault", ["error-500", "drop", "forbidden"])
def test_an_imds_that_errs_is_asked_each_time_and_a_key_works_as_soon_as_it_is_back(
    service: Service, door: Door, ed25519: str, fault: str
) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    door.sandbox.instance.faults.set(fault)
    assert ask(door, ed25519).printed == ""
    door.sandbox.instance.faults.clear()
    assert ask(door, ed25519).printed == bare(ed25519)


def test_an_imds_that_refuses_connections_is_asked_each_time(door: Door, ed25519: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        door.configure(endpoint="http://127.0.0.1:%d" % unused.getsockname()[1])
        service = Service(door)
        try:
            for _ in range(3):
                answer = ask(door)
                assert answer.reason == "imds-unreachable"
                assert "refused" in answer.records[0]["message"]
        finally:
            service.stop()


@pytest.mark.parametrize(("fact", "reason"), [("region", "signer-name-mismatch"), ("instance_id", "instance-mismatch")])
def test_a_fact_that_was_wrong_for_a_moment_is_not_kept(
    service: Service, door: Door, ed25519: str, fact: str, reason: str
) -> None:
    instance = door.sandbox.instance
    facts = instance.metadata
    instance.push(USER, ed25519, CALLER)
    read = instance.read

    def wrong(path: str) -> Optional[bytes]:
        if path in ("placement/region", "instance-id") and fact.partition("_")[0] in path:
            return {"region": b"eu-west-1", "instance_id": b"i-0fedcba9876543210"}[fact]
        return read(path)

    instance.read = wrong  # type: ignore[method-assign]
    try:
        assert ask(door, ed25519).reason == reason
    finally:
        instance.read = read  # type: ignore[method-assign]
    assert instance.metadata == facts
    assert ask(door, ed25519).printed == bare(ed25519)


def test_logs_that_nobody_reads_cost_no_login(door: Door) -> None:
    door.configure()
    door.config.write_text(door.config.read_text().replace(str(door.log), "/nonexistent/log"))
    reader, writer = os.pipe()
    service = Service(door, stderr=writer)
    try:
        lines = [keys.ed25519_line() for _ in range(3)]
        for line in lines:
            door.sandbox.instance.push(USER, line, CALLER)
        for _ in range(40):  # more than a pipe holds
            for line in lines:
                done = subprocess.run(
                    door.arguments(USER, fingerprint(line)), capture_output=True, text=True, timeout=9
                )
                assert done.stdout == bare(line)
        os.close(reader)
        reader = -1
        done = subprocess.run(door.arguments(USER, fingerprint(lines[0])), capture_output=True, text=True, timeout=9)
        assert done.stdout == bare(lines[0])
    finally:
        service.stop()
        for descriptor in (reader, writer):
            if descriptor >= 0:
                os.close(descriptor)


# Peers that waste its time.


def test_silent_halting_and_endless_peers_cost_nobody_else_anything(service: Service, door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    half = b"\0\0\0\x10" + b"1\0ro"
    with connected(door, *[b""] * 200, *[half] * 50, b"x" * 1_000_000, b"\xff" * 8, b"\0\0\0\x01x"):
        answer = ask(door, ed25519)
    assert answer.printed == bare(ed25519)
    assert answer.seconds < STARTING


def test_more_silent_peers_than_are_kept_make_room(service: Service, door: Door) -> None:
    with connected(door, *[b""] * 600):
        assert ask(door).reason == "no-active-keys"
    assert service.process.poll() is None


@pytest.mark.parametrize("words", [b"", b"\0\0\0\x10half"])
def test_a_peer_that_does_not_come_to_the_point_is_dropped(service: Service, door: Door, words: bytes) -> None:
    with connected(door, words) as (peer,):
        begun = time.monotonic()
        assert peer.recv(1) == b""
        assert 1 < time.monotonic() - begun < 4


def test_one_told_of_another_configuration_is_sent_away_at_once(service: Service, door: Door) -> None:
    request = b"\0".join((b"1", USER.encode(), b"", b"1", b"/another.conf"))
    with connected(door, len(request).to_bytes(4, "big") + request) as (peer,):
        assert (peer.recv(100), peer.recv(100)) == (protocol.DECLINED, b"")


def test_a_peer_that_goes_away_early_is_no_matter(service: Service, door: Door) -> None:
    door.sandbox.instance.faults.set("slow")
    request = b"1\0root\0\x001\0" + str(door.config).encode()
    with connected(door, *[len(request).to_bytes(4, "big") + request] * 5):
        pass
    door.sandbox.instance.faults.clear()
    assert service.process.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_only_root_and_the_commands_user_are_answered(service: Service, door: Door) -> None:
    os.chmod(door.socket, 0o666)
    for folder in (door.config.parent, *door.config.parent.parents):
        with contextlib.suppress(PermissionError):
            os.chmod(folder, os.stat(folder).st_mode | 0o011)
    program = (
        "import os, socket, sys\nos.setuid(65534)\npeer = socket.socket(socket.AF_UNIX)\npeer.settimeout(5)\n"
        "peer.connect(sys.argv[1])\nprint(peer.recv(1))\n"
    )
    done = subprocess.run(["/usr/bin/python3", "-c", program, door.socket], capture_output=True, text=True, timeout=10)
    assert done.stdout == "b'N'\n", done.stderr


def test_a_service_without_descriptors_left_makes_room_and_goes_on(service: Service, door: Door) -> None:
    ask(door)  # all threads and connections that one call needs are there
    used = len(os.listdir(f"/proc/{service.process.pid}/fd"))
    resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (used + 20, 4096))
    with connected(door, *[b""] * 60):
        assert ask(door).reason == "no-active-keys"
        cpu = Path(f"/proc/{service.process.pid}/stat").read_text().split()[13]
        time.sleep(0.5)
        assert int(Path(f"/proc/{service.process.pid}/stat").read_text().split()[13]) - int(cpu) < 25
    assert service.process.poll() is None


# Its life.


def test_sigterm_finishes_what_is_under_way(service: Service, door: Door, ed25519: str) -> None:
    door.sandbox.instance.faults.set("hang")
    with asking(door, ed25519) as future:
        service.signal(signal.SIGTERM)
        assert future.result(timeout=10).reason == "imds-unreachable"
    assert service.process.wait(timeout=10) == 0
    assert not os.path.exists(door.socket)


def test_sighup_reads_the_configuration_anew(service: Service, door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    assert ask(door, ed25519).printed == bare(ed25519)
    door.configure("[keys]\ntypes = ssh-rsa\n")
    assert ask(door, ed25519).printed == bare(ed25519)
    service.signal(signal.SIGHUP)
    time.sleep(0.3)
    assert ask(door, ed25519).reason == "key-type-forbidden"


def test_a_bad_configuration_is_said_and_grants_nothing_until_it_is_mended(
    service: Service, door: Door, ed25519: str
) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    door.configure("[keys]\nwindow = soon\n")
    service.signal(signal.SIGHUP)
    time.sleep(0.3)
    # Where records go reads from the configuration too, what of it does read.
    assert ask(door, ed25519).reason == "config-invalid"
    assert f"eic-sshd: {door.config}:" in service.errors.read_text()
    door.configure()
    assert ask(door, ed25519).printed == bare(ed25519)


def test_a_storm_of_signals_to_reload_is_survived(service: Service, door: Door, ed25519: str) -> None:
    door.configure("[keys]\nwindow = soon\n")
    for number in range(300):
        service.signal(signal.SIGHUP)
        time.sleep(0.0003 * (number % 2))
    door.configure()
    door.sandbox.instance.push(USER, ed25519, CALLER)
    service.signal(signal.SIGHUP)
    time.sleep(0.5)
    assert service.process.poll() is None
    assert ask(door, ed25519).printed == bare(ed25519)


def test_a_service_started_with_a_bad_configuration_grants_as_soon_as_it_is_mended(door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    good = door.config.read_text()
    door.configure("[keys]\nwindow = soon\n")
    service = Service(door)
    try:
        assert ask(door, ed25519).reason == "config-invalid"
        door.config.write_text(good)
        assert ask(door, ed25519).printed == bare(ed25519)
    finally:
        service.stop()


def test_it_ends_itself_when_idle(door: Door) -> None:
    door.configure("[service]\nidle_exit = 1\n")
    service = Service(door)
    assert ask(door).reason == "no-active-keys"
    assert service.process.wait(timeout=10) == 0
    assert not os.path.exists(door.socket)


def test_how_long_it_may_be_idle_is_reloaded_with_the_rest(service: Service, door: Door) -> None:
    door.configure("[service]\nidle_exit = 1\n")
    service.signal(signal.SIGHUP)
    assert service.process.wait(timeout=10) == 0


def test_a_socket_left_behind_is_replaced_and_one_in_use_is_not(service: Service, door: Door) -> None:
    command = [str(Path(door.command).parent.parent.parent / "bin/eic-sshd"), "serve", "--socket", door.socket]
    second = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert second.returncode == 1
    assert second.stderr.startswith(f"eic-sshd: {door.socket}: another daemon listens there.")
    service.signal(signal.SIGKILL)
    service.process.wait(timeout=5)
    assert os.path.exists(door.socket)
    service.process = service.start()
    assert ask(door).reason == "no-active-keys"


@pytest.mark.parametrize("path", ["/nonexistent/sock", "/etc/passwd", "/tmp", "/tmp/" + "x" * 200])
def test_a_socket_that_cannot_be_had_is_said(door: Door, path: str) -> None:
    command = [str(Path(door.command).parent.parent.parent / "bin/eic-sshd"), "serve", "--socket", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert done.stderr.startswith(f"eic-sshd: {path}")
    assert "Traceback" not in done.stderr


# The service failing.


def test_without_a_service_the_front_door_decides(door: Door, ed25519: str) -> None:
    door.socket = str(door.config.parent / "nobody.sock")
    door.sandbox.instance.push(USER, ed25519, CALLER)
    assert ask(door, ed25519).printed == bare(ed25519)


def test_where_the_service_is_killed_in_the_middle_of_a_call_the_front_door_decides(
    service: Service, door: Door, ed25519: str
) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    door.sandbox.instance.faults.set("hang")
    with asking(door, ed25519) as future:
        door.sandbox.instance.faults.clear()
        service.signal(signal.SIGKILL)
        answer = future.result(timeout=10)
    assert (answer.status, answer.printed) == (0, bare(ed25519))
    assert [record["reason"] for record in answer.records] == ["granted"]


def test_where_the_service_hangs_the_front_door_decides(service: Service, door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    service.signal(signal.SIGSTOP)
    answer = ask(door, ed25519)
    assert (answer.status, answer.printed, answer.reason) == (0, bare(ed25519), "granted")
    assert answer.seconds < 3.0 + STARTING
    service.signal(signal.SIGCONT)
    assert ask(door, ed25519).printed == bare(ed25519)


@contextlib.contextmanager
def pretending(door: Door, talk: Callable[[socket.socket], None]) -> Iterator[None]:
    """Something at the socket that is no authorizer, for one connection."""
    door.socket = str(door.config.parent / "pretender.sock")
    with socket.socket(socket.AF_UNIX) as listener, concurrent.futures.ThreadPoolExecutor(1) as pool:
        listener.bind(door.socket)
        listener.listen(1)

        def serve() -> None:
            peer, _ = listener.accept()
            listener.close()
            with peer:
                peer.recv(4096)
                talk(peer)

        pool.submit(serve)
        yield


HALF = protocol.encode_answer(["ssh-ed25519 AAAA", "ssh-ed25519 BBBB"])[:20]


@pytest.mark.parametrize(
    "spoken",
    [protocol.encode_accepted(1), protocol.encode_accepted(1) + HALF, b"nonsense", protocol.encode_accepted(1)[:3]],
)
def test_half_an_answer_is_none_and_the_front_door_decides(door: Door, ed25519: str, spoken: bytes) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    with pretending(door, lambda peer: peer.sendall(spoken)):
        answer = ask(door, ed25519)
    assert (answer.status, answer.printed, answer.reason) == (0, bare(ed25519), "granted")


def hanging(peer: socket.socket) -> None:
    """It takes the question on, and gives no answer."""
    peer.sendall(protocol.encode_accepted(0.3))
    peer.recv(1)


def test_an_authorizer_that_hangs_with_the_question_gives_no_keys_and_one_record(door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    with pretending(door, hanging):
        answer = ask(door, ed25519)
    assert (answer.status, answer.printed, answer.reason) == (0, "", "authorizer-failed")


@pytest.mark.skipif(os.geteuid() != 0, reason="a keys file must be root's")
def test_where_the_service_fails_the_sites_fallback_still_counts(door: Door, ed25519: str) -> None:
    (door.config.parent / f"{USER}.keys").write_text(ed25519 + "\n")
    door.configure(f"[fallback]\nkeys_file = {door.config.parent}/%u.keys\nwhen = unavailable\n")
    with pretending(door, hanging):
        answer = ask(door, ed25519)
    assert (answer.printed, answer.reason) == (bare(ed25519), "fallback-file")


# A storm.


def test_a_hundred_logins_at_once_are_all_answered_right(door: Door) -> None:
    """How fast is a matter of `make bench`: here a busy machine has time."""
    door.config.write_text(door.config.read_text().replace("[imds]\n", "[imds]\ndeadline = 25\nrequest_timeout = 10\n"))
    service = Service(door)
    try:
        require_a_hundred_logins(door)
    finally:
        service.stop()


def require_a_hundred_logins(door: Door) -> None:
    lines = [keys.ed25519_line() for _ in range(100)]
    for line in lines[::2]:
        door.sandbox.instance.push(USER, line, CALLER)

    def login(line: str) -> str:
        arguments = door.arguments(USER, fingerprint(line))
        return subprocess.run(arguments, capture_output=True, text=True, timeout=60).stdout

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(login, lines))
    assert answers == [bare(line) if at % 2 == 0 else "" for at, line in enumerate(lines)]
    recorded = door.log.read_text()
    assert recorded.count('"reason": "granted"') == 50
    assert recorded.count('"reason": "fingerprint-mismatch"') == 50


def test_a_slow_imds_for_one_user_does_not_hold_another_up(service: Service, door: Door, ed25519: str) -> None:
    ask(door)  # warm: the token is there
    door.sandbox.instance.push("nobody", ed25519, CALLER)
    door.sandbox.instance.faults.set("hang", path=f"active-keys/{USER}")
    with asking(door, ed25519) as slow:
        other = ask(door, ed25519, user="nobody")
        assert other.printed == bare(ed25519)
        assert other.seconds < STARTING
        assert slow.result(timeout=10).records[-1]["reason"] == "imds-unreachable"


# systemd.


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="needs systemd")
def test_it_takes_the_socket_that_systemd_hands_over_and_says_how_it_is(
    door: Door, ed25519: str, tmp_path: Path
) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    door.socket = str(tmp_path / "activated.sock")
    command = str(Path(door.command).parent.parent.parent / "bin/eic-sshd")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(tmp_path / "notify.sock"))
        notified.settimeout(10)
        activator = processes.socket_activated(
            door.socket,
            [command, "serve", "--config", str(door.config)],
            environment=[f"NOTIFY_SOCKET={tmp_path}/notify.sock", "WATCHDOG_USEC=400000"],
        )
        try:
            assert ask(door, ed25519).records[0]["source"] == "imds"
            assert ask(door, ed25519).records[0]["source"] == "cache"
            states = [notified.recv(100) for _ in range(3)]
            assert states[0] == b"READY=1"
            assert b"WATCHDOG=1" in states
        finally:
            activator.terminate()
            assert activator.wait(timeout=10) == 0
        # The socket is systemd's: it stays.
        assert os.path.exists(door.socket)


# The units.

UNITS = Path(__file__).parent.parent.parent / "systemd"
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


@needs_systemd
def test_the_service_is_exposed_to_at_most_1_5() -> None:
    # systemd-analyze(1): the threshold is in tenths.
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15"]
    done = subprocess.run([*command, str(UNITS / "eic-sshd.service")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-500:]
    assert "Overall exposure level" in done.stdout


def test_the_service_needs_nothing_that_hardened_images_forbid() -> None:
    """A user namespace of its own, which would also hide from it who asks."""
    assert "\nPrivateUsers=" not in (UNITS / "eic-sshd.service").read_text()


@needs_systemd
def test_the_units_are_what_systemd_understands(tree: Path, tmp_path: Path) -> None:
    for name in ("eic-sshd.socket", "eic-sshd.service"):
        text = (tree / "usr/lib/systemd/system" / name).read_text()
        (tmp_path / name).write_text(text.replace("/usr/bin/eic-sshd", str(tree / "usr/bin/eic-sshd")))
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no"]
    done = subprocess.run([*command, str(tmp_path / "eic-sshd.service")], capture_output=True, text=True, timeout=60)
    complaints = [line for line in done.stderr.splitlines() if "eic-sshd" in line]
    assert complaints == []


def test_the_socket_is_where_the_front_door_looks() -> None:
    from eic_sshd import client, paths

    listens = f"ListenStream={client.SOCKET}\n"
    assert listens in (UNITS / "eic-sshd.socket").read_text()
    assert paths.SOCKET == client.SOCKET


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a socket away (needs root)")
@pytest.mark.parametrize(("mode", "may_ask"), [(0o600, True), (0o660, False), (0o606, False), (0o666, False)])
def test_whom_root_gave_the_socket_to_may_ask_if_it_is_theirs_alone(tmp_path: Path, mode: int, may_ask: bool) -> None:
    path = str(tmp_path / "authorize.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, mode)
        os.chown(path, 65534, 65534)
        assert allowed_peer_uids(listener) == ({0, os.geteuid(), 65534} if may_ask else {0, os.geteuid()})


def test_a_socket_that_stands_nowhere_is_nobodys() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0eic-sshd-test-of-nobodys-socket")
        assert allowed_peer_uids(listener) == {0, os.geteuid()}
