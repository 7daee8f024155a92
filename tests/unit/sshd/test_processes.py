# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Sequence, Set, Tuple

import pytest

from eic_sshd.sshd.processes import Listener, count_reopened, listeners, survey

TITLE = b"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups\0"


TCP = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def tcp_line(state: str, inode: int) -> str:
    """A line of /proc/PID/net/tcp, as proc_pid_net(5) has it."""
    return (
        f"   0: 00000000:0016 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 "
        f"    0        0 {inode} 1 00000000c79f7e46 100 0 0 10 0\n"
    )


def process(
    proc: Path,
    pid: int,
    title: bytes = TITLE,
    program: str = "/usr/sbin/sshd",
    root: str = "/",
    cgroup: str = "0::/system.slice/ssh.service\n",
    parent: int = 1,
    fds: Sequence[str] = ("/dev/null", "socket:[1]", "socket:[1]", "socket:[2]", "pipe:[3]"),
) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "cmdline").write_bytes(title)
    (folder / "cgroup").write_text(cgroup)
    (folder / "exe").symlink_to(program)
    (folder / "root").symlink_to(root)
    (folder / "stat").write_text(f"{pid} (sshd) 1 (x) S {parent} 1 1")
    (folder / "status").write_text(f"Name:\tsshd\nSigPnd:\t{0:016x}\nShdPnd:\t{0:016x}\nSigBlk:\t{1:016x}\n")
    (folder / "net").mkdir()
    (folder / "net/tcp").write_text(TCP + tcp_line("0A", 2) + tcp_line("01", 1))
    (folder / "fd").mkdir()
    for number, target in enumerate(fds):
        (folder / "fd" / str(number)).symlink_to(target)


def test_a_listening_sshd_is_found_with_its_unit(tmp_path: Path) -> None:
    process(tmp_path, 7)
    process(tmp_path, 8, program="/usr/sbin/sshd (deleted)", cgroup="1:name=systemd:/system.slice/corp-sshd.service\n")
    process(tmp_path, 9, cgroup="0::/user.slice/user-0.slice/session-1.scope\n")
    process(tmp_path, 10, cgroup="0::/user.slice/user-0.slice/user@0.service/app.slice/ssh.service\n")
    (tmp_path / "version").write_text("")
    found = listeners(str(tmp_path))
    assert [(one.pid, one.unit) for one in found] == [
        (7, "ssh.service"), (8, "corp-sshd.service"), (9, None), (10, None),
    ]  # fmt: skip
    assert {(one.program, one.sockets) for one in found} == {("/usr/sbin/sshd", frozenset({"socket:[2]"}))}


@pytest.mark.parametrize(
    ("title", "program", "root"),
    [
        (b"/usr/sbin/sshd\0-t\0", "/usr/sbin/sshd", "/"),
        (b"sshd: root@pts/0\0", "/usr/sbin/sshd", "/"),
        (b"sshd: root [priv]\0", "/usr/sbin/sshd", "/"),
        (b"sshd: [accepted]\0", "/usr/sbin/sshd", "/"),
        (b"/usr/sbin/sshd\0-i\0", "/usr/sbin/sshd", "/"),
        (b"", "/usr/sbin/sshd", "/"),
        (TITLE, "/usr/bin/python3", "/"),
        (b"vi\0[listener]\0", "/usr/sbin/sshd", "/"),
        (TITLE, "/usr/sbin/sshd", "/usr"),
    ],
)
def test_no_other_process_is_a_listener(tmp_path: Path, title: bytes, program: str, root: str) -> None:
    process(tmp_path, 7, title, program, root)
    assert (listeners(str(tmp_path))) == []


def test_a_process_that_ends_during_the_survey_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    assert (listeners(str(tmp_path))) == []
    assert (listeners(str(tmp_path / "none"))) == []


@pytest.mark.parametrize(
    ("options", "program", "ours"),
    [
        ("-D", "/usr/sbin/sshd", True),
        ("-D", "/usr/sbin/sshd (deleted)", True),
        ("-D -f /etc/ssh/sshd_config", "/usr/sbin/sshd", True),
        ("-D -f /etc/ssh/sshd_config", "/opt/sbin/sshd", True),
        ("-f /etc/ssh/./sshd_config -D", "/usr/sbin/sshd", True),
        ("-D", "/opt/sbin/sshd", False),
        ("-D -f /etc/ssh/sshd_other", "/usr/sbin/sshd", False),
        ("-Df /etc/ssh/sshd_other", "/usr/sbin/sshd", False),
        ("-f/etc/ssh/sshd_other -e", "/usr/sbin/sshd", False),
        ("-D -o PidFile=/run/-f.pid", "/usr/sbin/sshd", True),
    ],
)
def test_a_listeners_configuration_is_read_from_its_title(
    tmp_path: Path, options: str, program: str, ours: bool
) -> None:
    process(tmp_path, 7, f"sshd: {program} {options} [listener] 0 of 10-100 startups\0".encode(), program)
    (found,) = listeners(str(tmp_path))
    assert found.uses("/etc/ssh/sshd_config", os.path.realpath("/usr/sbin/sshd")) is ours


@pytest.mark.parametrize(
    ("options", "keys", "addresses"),
    [
        ("-D", False, False),
        ("-D -h /etc/ssh/key", True, False),
        ("-D -o HostKey=/x", True, True),
        ("-D -oListenAddress=::1", False, True),
    ],
)
def test_host_keys_and_addresses_in_its_options_are_read_from_its_title(
    tmp_path: Path, options: str, keys: bool, addresses: bool
) -> None:
    process(tmp_path, 7, f"sshd: /usr/sbin/sshd {options} [listener] 0 of 10-100 startups\0".encode())
    (tmp_path / "7" / "ns").mkdir()
    (tmp_path / "7" / "ns" / "net").symlink_to(os.readlink("/proc/self/ns/net"))
    (found,) = listeners(str(tmp_path))
    assert (found.overrides_host_keys, found.overrides_addresses) == (keys, addresses)
    assert found._replace(network="net:[1]").overrides_addresses


@pytest.mark.parametrize(
    ("now", "reopened"),
    [
        ([], 0),
        ([(7, {"b"})], 1),
        ([(8, {"b"})], 1),  # one that is not started with -D becomes another process
        ([(7, {"a"})], 0),
        ([(7, {"a", "b"})], 0),
        ([(7, set())], 0),
        ([(7, {"b"}), (9, {"c"})], 1),
        ([(7, {"b"}), (9, {"d"})], 2),
    ],
)
def test_sshds_at_sockets_that_are_all_new_have_reopened_them(now: List[Tuple[int, Set[str]]], reopened: int) -> None:
    before = [Listener(7, "ssh.service", frozenset({"a"})), Listener(9, "other.service", frozenset({"c"}))]
    assert count_reopened([Listener(pid, None, frozenset(sockets)) for pid, sockets in now], before) == reopened


def test_sockets_that_the_kernel_does_not_show_are_not_known(tmp_path: Path) -> None:
    process(tmp_path, 7, fds=())
    (found,) = listeners(str(tmp_path))
    assert found.sockets == frozenset()


def test_a_child_that_was_just_forked_for_a_connection_is_not_a_listener(tmp_path: Path) -> None:
    process(tmp_path, 70, parent=700)
    process(tmp_path, 700, parent=1)
    process(tmp_path, 7, parent=700)
    assert [found.pid for found in listeners(str(tmp_path))] == [700]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_process_of_another_user_is_not_a_listener(tmp_path: Path) -> None:
    process(tmp_path, 7)
    os.chown(tmp_path / "7", 65534, -1)
    assert listeners(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("tables", "sockets"),
    [
        ({"tcp": [("0A", 1), ("0A", 2)]}, {1, 2}),
        ({"tcp": [("0A", 1)], "tcp6": [("0A", 2)]}, {1, 2}),
        ({"tcp": [("01", 1)], "tcp6": [("0A", 2)]}, {2}),
        ({"tcp": [("01", 1), ("06", 2), ("0A", 9), ("07", 2)]}, set()),  # sockets of others, and connected ones
        ({"tcp": [], "tcp6": []}, set()),
        ({}, set()),
    ],
)
def test_only_sockets_in_state_listen_are_a_listeners_sockets(
    tmp_path: Path, tables: Dict[str, List[Tuple[str, int]]], sockets: Set[int]
) -> None:
    """OpenSSH 10 has more sockets, for clients that are not logged in."""
    process(tmp_path, 7, fds=("/dev/null", "socket:[8]", "socket:[8]", "socket:[1]", "socket:[2]", "socket:[3]"))
    (tmp_path / "7/net/tcp").unlink()
    for name, lines in tables.items():
        (tmp_path / "7/net" / name).write_text(TCP + "".join(tcp_line(*line) for line in lines))
    (found,) = listeners(str(tmp_path))
    assert found.sockets == {f"socket:[{inode}]" for inode in sockets}


@pytest.mark.parametrize(
    ("title", "program", "starting"),
    [
        (b"/usr/sbin/sshd\0-D\0", "/usr/sbin/sshd", True),
        (b"sshd\0", "/usr/sbin/sshd (deleted)", True),
        (b"/usr/sbin/sshd\0-D\0-f\0/etc/ssh/sshd_config\0", "/usr/sbin/sshd", True),
        (b"/usr/sbin/sshd\0-D\0-o\0PidFile=/run/x-t\0", "/usr/sbin/sshd", True),
        (TITLE, "/usr/sbin/sshd", False),
        (b"sshd: root@pts/0\0", "/usr/sbin/sshd", False),
        (b"/usr/sbin/sshd\0-t\0", "/usr/sbin/sshd", False),
        (b"/usr/sbin/sshd\0-D\0-R\0", "/usr/sbin/sshd", False),
        (b"/usr/sbin/sshd\0-T\0-C\0user=root\0", "/usr/sbin/sshd", False),
        (b"/usr/sbin/sshd\0-De\0-i\0", "/usr/sbin/sshd", False),
        (b"/usr/sbin/sshd\0-ei\0", "/usr/sbin/sshd", False),
        (b"/usr/sbin/sshd\0-G\0", "/usr/sbin/sshd", False),
        (b"/usr/sbin/sshd\0-D\0", "/usr/bin/python3", False),
        (b"", "/usr/sbin/sshd", True),  # while it executes itself again
        (b"", "/usr/bin/python3", False),
    ],
)
def test_a_starting_sshd_is_recognized(tmp_path: Path, title: bytes, program: str, starting: bool) -> None:
    process(tmp_path, 7, title, program)
    (tmp_path / "8").mkdir()  # it has ended since
    (tmp_path / "version").write_text("")
    assert survey(str(tmp_path)).is_one_starting is starting
    assert not survey(str(tmp_path / "none")).is_one_starting


@pytest.mark.parametrize(("fds", "starting"), [(("socket:[1]",), True), (("socket:[2]",), False), ((), False)])
def test_a_listener_without_open_sockets_is_restarting(tmp_path: Path, fds: Sequence[str], starting: bool) -> None:
    """Where no descriptor is shown, they may not be read."""
    process(tmp_path, 7, fds=fds)
    assert survey(str(tmp_path)).is_one_starting is starting


@pytest.mark.parametrize(
    ("pending", "restarting"),
    [("SigPnd:\t0000000000000001", True), ("ShdPnd:\t0000000000004001", True), ("ShdPnd:\t0000000000004002", False)],
)
def test_a_listener_with_a_pending_sighup_is_restarting(tmp_path: Path, pending: str, restarting: bool) -> None:
    process(tmp_path, 7)
    (tmp_path / "7/status").write_text(f"Name:\tsshd\n{pending}\nSigBlk:\t0000000000000001\n")
    found = survey(str(tmp_path))
    assert found.is_one_starting is restarting


def test_a_starting_sshd_with_another_root_directory_is_ignored(tmp_path: Path) -> None:
    process(tmp_path, 7, b"/usr/sbin/sshd\0-D\0", root="/usr")
    assert not survey(str(tmp_path)).is_one_starting
