# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd log`, with a journal in memory."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Optional, Tuple

import pytest

from eic_sshd.cli import build_parser, main
from eic_sshd.cli._log_run import Run
from eic_sshd.cli._log_session import Processes
from eic_sshd.cli._log_source import Machine
from eic_sshd.cli.log import run_on
from eic_sshd.log.entries import Raw
from eic_sshd.log.source import Source
from eic_sshd.model.outcome import Outcome
from tests.unit.log.journal import BEGIN, BOOT, CALLER, KEY, RECORD_UIDS, SECOND, USER_UID, Log, MemoryJournal
from tests.unit.log.trail_events import EARLY, FINGERPRINT, LATE, event

PID = 4242
NOW = BEGIN // SECOND + 3600


def proc(
    root: Path, running: Iterable[int] = (), cgroup: str = "0::/user.slice", parents: Tuple[int, ...] = ()
) -> Processes:
    """A /proc with sshd processes, and this process with these ancestors."""
    files: Dict[str, str] = {"sys/kernel/random/boot_id": BOOT + "\n", "self/cgroup": cgroup + "\n"}
    files.update({f"{pid}/comm": "sshd\n" for pid in running})
    for child, parent in zip(["self", *map(str, parents)], [*parents, 1]):
        files[f"{child}/status"] = f"Name:\tx\nPPid:\t{parent}\n"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Processes(str(root))


class Output:
    """What a run printed, and its exit status."""

    def __init__(self, status: int, text: str) -> None:
        self.status, self.text = status, text
        self.lines = text.splitlines()

    @property
    def json(self) -> List[Dict[str, object]]:
        return [json.loads(line) for line in self.lines]


def run(
    log: Log,
    processes: Processes,
    *options: str,
    later: Iterable[Iterable[Raw]] = (),
    now: Callable[[], float] = lambda: NOW,
    instance_id: Optional[str] = None,
    grace: float = 120.0,
) -> Output:
    source = Source(MemoryJournal(log.entries, later), RECORD_UIDS)
    stream = io.StringIO()
    arguments = build_parser(["log"]).parse_args(["log", *options])
    status = Run(arguments, Machine(source, processes, grace, now, instance_id=instance_id), stream).run()
    return Output(status, stream.getvalue())


@pytest.fixture
def nobody(tmp_path: Path) -> Processes:
    return proc(tmp_path / "proc")


def two_logins() -> Log:
    log = Log()
    log.login(PID)
    log.wait(10)
    log.record(PID + 1, Outcome.REFUSED, "caller-forbidden", user="root", caller=f"{CALLER}-2")
    log.sshd(PID + 1, "Connection closed by authenticating user root 203.0.113.9 port 5 [preauth]")
    return log


def test_table_has_a_line_for_each_connection(nobody: Processes) -> None:
    header, login, refusal = run(two_logins(), nobody).lines
    assert header.split() == ["TIME", "LENGTH", "USER", "FROM", "RESULT"]
    for part in ("ec2-user", "203.0.113.7", "00:01:00", "login: pushed key", CALLER, "request r-1", KEY):
        assert part in login
    for part in ("root", "203.0.113.9", "refused: caller-forbidden", f"{CALLER}-2"):
        assert part in refusal


def test_json_has_the_documented_form(nobody: Processes) -> None:
    login, refusal = run(two_logins(), nobody, "--json").json
    attempt = {
        "decision": "granted",
        "reason": "granted",
        "fingerprints": [KEY],
        "callers": [CALLER],
        "request_ids": ["r-1"],
        "policies": [],
        "instance_id": "i-0123456789abcdef0",
        "first": "2023-11-14T22:13:20.001000Z",
        "last": "2023-11-14T22:13:20.002000Z",
        "count": 2,
        "timings": [{"elapsed_us": 1500, "source": "imds"}, {"elapsed_us": 1500, "source": "cache"}],
        "message": "the record",
    }
    assert login == {
        "version": 1,
        "type": "connection",
        "began": "2023-11-14T22:13:20.001000Z",
        "last": "2023-11-14T22:14:20.006000Z",
        "boot_id": BOOT,
        "sshd_pid": PID,
        "user": "ec2-user",
        "address": "203.0.113.7",
        "port": 50000,
        "result": "login",
        "reason": "granted",
        "login": {
            "at": "2023-11-14T22:13:20.003000Z",
            "by": "pushed-key",
            "evidence": "accepted-line",
            "methods": ["publickey"],
            "fingerprint": KEY,
            "key_place": None,
            "callers": [CALLER],
            "request_ids": ["r-1"],
            "policies": [],
        },
        "session": {
            "state": "closed",
            "opened": "2023-11-14T22:13:20.004000Z",
            "closed": "2023-11-14T22:14:20.006000Z",
            "seconds": 60.002,
            "ids": ["7"],
        },
        "attempts": [attempt],
        "sshd": [],
    }
    assert (refusal["login"], refusal["session"], refusal["result"]) == (None, None, "refused")


@pytest.mark.parametrize(
    ("options", "users"),
    [
        ([], ["ec2-user", "root"]),
        (["--user", "root"], ["root"]),
        (["--user", "ec2"], []),
        (["--caller", "Admin/alice"], ["ec2-user", "root"]),
        (["--caller", "alice-2"], ["root"]),
        (["--reason", "caller-forbidden"], ["root"]),
        (["--reason", "granted"], ["ec2-user"]),
        (["--fingerprint", KEY], ["ec2-user", "root"]),
        (["--fingerprint", "SHA256:x"], []),
        (["--since", "2023-11-14T22:14:00Z"], ["root"]),
        (["--until", "2023-11-14T22:14:00Z"], ["ec2-user"]),
        (["--since", "@0"], ["ec2-user", "root"]),
        (["--since", "now"], []),
    ],
)
def test_options_select_connections(nobody: Processes, options: List[str], users: List[str]) -> None:
    assert [one["user"] for one in run(two_logins(), nobody, "--json", *options).json] == users


@pytest.mark.parametrize(("grace", "seconds"), [(120.0, 110), (300.0, 290), (0.0, 3590), (1e9, 3590)])
def test_login_that_began_long_before_since_is_whole(nobody: Processes, grace: float, seconds: int) -> None:
    log = Log()
    log.record(PID)
    log.wait(seconds)
    log.accepted(PID)
    since = f"@{BEGIN // SECOND + seconds - 1}"
    assert run(log, nobody, "--since", since, grace=grace).text == ""
    assert "pushed key" in run(log, nobody, "--since", "@0", grace=grace).text


def test_login_that_ends_after_until_has_its_length(nobody: Processes) -> None:
    (login,) = run(two_logins(), nobody, "--json", "--until", "2023-11-14T22:13:30Z").json
    assert isinstance(login["session"], dict)
    assert login["session"]["state"] == "closed"


def test_scans_are_shown_on_request_only(nobody: Processes) -> None:
    log = Log()
    log.sshd(PID, "Invalid user admin from 198.51.100.1 port 4")
    assert run(log, nobody).text == ""
    assert "failed in sshd" in run(log, nobody, "--all").text


def test_text_that_a_client_chose_moves_no_cursor(nobody: Processes) -> None:
    log = Log()
    log.sshd(PID, "Invalid user \x1b[2Jroot from 198.51.100.1 port 4")
    shown = run(log, nobody, "--all").text
    assert "\x1b" not in shown
    assert "\\x1b[2Jroot" in shown


def test_stats_count_reasons_and_have_percentiles(nobody: Processes) -> None:
    (found,) = run(two_logins(), nobody, "--stats", "--json").json
    assert found["decisions"] == {"granted": 2, "caller-forbidden": 1}
    assert found["connections"] == {"login": 1, "refused": 1}
    assert found["logins"] == {"pushed-key": 1}
    percentiles = {"p50": 1500, "p90": 1500, "p99": 1500, "max": 1500}
    assert found["latency_us"] == {"all": percentiles, "imds": percentiles, "cache": percentiles}
    assert "granted" in run(two_logins(), nobody, "--stats").text


def test_follow_prints_a_login_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    log = Log()
    log.record(PID)
    log.accepted(PID)
    log.opened(PID)
    begin, log.entries = log.entries, []
    log.wait(5)
    log.closed(PID)
    processes = proc(tmp_path, running=[PID])
    shown = run(Log(), processes, "--follow", "--json", later=[begin, [], log.entries, []]).json
    assert [one["session"] and one["session"]["state"] for one in shown] == ["open", "closed"]  # type: ignore[index]


@pytest.mark.parametrize(("polls", "states"), [(2, []), (12, ["lost"])])
def test_follow_reports_a_session_as_lost_when_no_end_came_for_some_seconds(
    tmp_path: Path, polls: int, states: List[str]
) -> None:
    log = Log()
    log.record(PID)
    log.accepted(PID)
    log.opened(PID)
    seconds = itertools.count(NOW)
    batches: List[List[Raw]] = [log.entries, *[[] for _ in range(polls - 1)]]
    shown = run(Log(), proc(tmp_path), "--follow", "--json", later=batches, now=lambda: next(seconds)).json
    assert [one["session"] and one["session"]["state"] for one in shown] == states  # type: ignore[index]


def test_follow_waits_for_the_end_of_a_session_whose_process_is_gone(tmp_path: Path) -> None:
    log = Log()
    log.record(PID)
    log.accepted(PID)
    log.opened(PID)
    begin, log.entries = log.entries, []
    log.closed(PID)
    seconds = itertools.count(NOW)
    shown = run(Log(), proc(tmp_path), "--follow", "--json", later=[begin, log.entries], now=lambda: next(seconds)).json
    assert [one["session"] and one["session"]["state"] for one in shown] == ["closed"]  # type: ignore[index]


def test_follow_does_not_repeat_what_was_there_before(tmp_path: Path) -> None:
    later = Log(at=BEGIN + 500 * SECOND)
    later.record(PID + 9, Outcome.REFUSED, "expired")
    shown = run(two_logins(), proc(tmp_path), "--follow", "--json", later=[later.entries]).json
    assert [one["reason"] for one in shown] == ["expired"]
    shown = run(two_logins(), proc(tmp_path), "--follow", "--json", "--since", "@0", later=[later.entries]).json
    assert [one["reason"] for one in shown] == ["granted", "caller-forbidden", "expired"]


def test_follow_prints_no_refusal_before_the_connection_is_over(tmp_path: Path) -> None:
    log = Log()
    log.record(PID, Outcome.REFUSED, "fingerprint-mismatch", fingerprint="SHA256:" + "x" * 43)
    begin, log.entries = log.entries, []
    log.login(PID)
    processes = proc(tmp_path, running=[PID])
    shown = run(Log(), processes, "--follow", "--json", later=[begin, [], log.entries]).json
    assert [one["result"] for one in shown] == ["login"]


def open_session(session: Optional[str] = "7") -> Log:
    log = Log()
    log.login(PID - 1, session="6")
    log.record(PID)
    log.accepted(PID)
    log.opened(PID, session=session)
    return log


@pytest.mark.parametrize("options", [["--session"], ["--session", "7"]])
def test_session_names_its_caller(tmp_path: Path, options: List[str]) -> None:
    processes = proc(tmp_path, running=[PID], cgroup="0::/user.slice/user-1000.slice/session-7.scope")
    found = run(open_session(), processes, *options)
    assert found.status == 0
    for part in (CALLER, "r-1", KEY, "203.0.113.7", "login: pushed key"):
        assert part in found.text


def test_session_without_logind_is_found_by_its_sshd_process(tmp_path: Path) -> None:
    processes = proc(tmp_path, running=[PID], parents=(9000, 8000, PID))
    (found,) = run(open_session(session=None), processes, "--session", "--json").json
    assert found["sshd_pid"] == PID


@pytest.mark.parametrize("session", ["6", "8", "", "7; x"])
def test_session_that_is_not_open_is_an_error(tmp_path: Path, session: str) -> None:
    found = run(open_session(), proc(tmp_path, running=[PID]), "--session", session)
    assert (found.status, found.text) == (1, "")


def test_session_that_a_user_of_the_account_forged_is_not_found(tmp_path: Path) -> None:
    log = Log()
    log.record(PID, uid=USER_UID)
    log.sshd(PID, "pam_unix(sshd:session): session opened for user ec2-user by (uid=0)", uid=USER_UID)
    log.logind("8d45620c1a4348dbb17410da57c60c66", "7", PID, uid=USER_UID)
    assert run(log, proc(tmp_path, running=[PID]), "--session", "7").status == 1


def trail_file(tmp_path: Path, *events: Dict[str, object]) -> str:
    path = tmp_path / "trail.json"
    path.write_text(json.dumps({"Records": list(events)}))
    return str(path)


def login_with_the_key_of_the_trail() -> Log:
    log = Log()
    log.record(PID, fingerprint=FINGERPRINT)
    log.accepted(PID, key=FINGERPRINT)
    return log


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([event()], ["trail: in the trail", "from 198.51.100.4", "1 as in the trail"]),
        ([EARLY, LATE], ["PROBLEM, the trail has no such request", "1 not as in the trail"]),
        ([EARLY], ["trail: unknown", "1 outside of its time"]),
        ([event(), event("r-9", time="2023-11-14T22:14:00Z")], ["pushed, never used", "request r-9", "not used: 1"]),
    ],
)
def test_trail_is_beside_the_logins(
    tmp_path: Path, nobody: Processes, events: List[Dict[str, object]], words: List[str]
) -> None:
    shown = run(login_with_the_key_of_the_trail(), nobody, "--trail", trail_file(tmp_path, *events)).text
    for word in words:
        assert word in shown


def test_trail_in_json(tmp_path: Path, nobody: Processes) -> None:
    trail = trail_file(tmp_path, event(), event("r-9", time="2023-11-14T22:14:00Z"))
    login, push = run(login_with_the_key_of_the_trail(), nobody, "--json", "--trail", trail).json
    assert isinstance(login["trail"], dict)
    assert login["trail"]["match"] == "ok"
    assert login["trail"]["push"]["address"] == "198.51.100.4"
    assert (push["type"], push["result"], push["request_id"]) == ("push", "unused", "r-9")


def test_push_from_before_the_oldest_entry_is_not_called_unused(tmp_path: Path, nobody: Processes) -> None:
    trail = trail_file(tmp_path, event("r-0", time="2023-11-14T22:00:00Z"))
    assert len(run(login_with_the_key_of_the_trail(), nobody, "--json", "--trail", trail).lines) == 1


def test_error_in_a_trail_moves_no_cursor(tmp_path: Path, nobody: Processes) -> None:
    refused = event("r-9", time="2023-11-14T22:14:00Z", errorCode="\x1b[2JAccessDenied")
    shown = run(login_with_the_key_of_the_trail(), nobody, "--trail", trail_file(tmp_path, event(), refused)).text
    assert "\\x1b[2JAccessDenied" in shown
    assert "\x1b" not in shown


def test_name_of_a_file_in_a_trail_moves_no_cursor(
    tmp_path: Path, nobody: Processes, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "\x1b[2J.json").write_text("x")
    machine = Machine(Source(MemoryJournal([]), RECORD_UIDS), nobody)
    arguments = build_parser(["log"]).parse_args(["log", "--trail", str(tmp_path)])
    assert run_on(lambda: machine, arguments) == 1
    assert "/\\x1b[2J.json: not JSON" in capfd.readouterr().err


@pytest.mark.parametrize(("here", "unused"), [("i-0123456789abcdef0", 1), ("i-00000000000000001", 0), (None, 0)])
def test_push_is_unused_if_it_was_to_this_instance(
    tmp_path: Path, nobody: Processes, here: Optional[str], unused: int, capfd: pytest.CaptureFixture[str]
) -> None:
    log = Log()
    log.accepted(PID)
    log.at = BEGIN
    trail = trail_file(tmp_path, event("r-9", time="2023-11-14T22:14:00Z"))
    shown = run(log, nobody, "--json", "--trail", trail, instance_id=here)
    assert len([one for one in shown.json if one["type"] == "push"]) == unused
    assert ("names this instance" in capfd.readouterr().err) is (here is None)


@pytest.mark.parametrize(
    "options",
    [
        ["--follow", "--until", "now"],
        ["--session", "--until", "now"],
        ["--follow", "--stats"],
        ["--session", "--trail", "x"],
        ["--since", "soon"],
    ],
)
def test_options_that_exclude_one_another_end_with_status_2(options: List[str]) -> None:
    assert main(["log", *options]) == 2


@pytest.mark.parametrize("since", [["--since", "-2h"], ["--since=-2h"], ["--since", "2h"]])
def test_age_may_have_a_minus_sign(since: List[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["log", *since, "--follow", "--until", "now"]) == 2
    assert "--until: it cannot be used with --follow" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("word", "near"), [("expird", "Use expired"), ("caller-forbiden", "caller-forbidden"), ("x", "granted, ")]
)
def test_word_that_is_no_reason_is_refused_with_the_nearest_ones(
    word: str, near: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["log", "--reason", word]) == 2
    shown = capfd.readouterr().err
    assert f"'{word}' is no reason" in shown
    assert near in shown
