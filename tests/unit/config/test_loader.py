# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, List, Optional

import pytest

from eic_sshd.config import loader
from eic_sshd.config.schema import SECTIONS, build
from eic_sshd.model.reasons import Reason

from .files import invalid, problems, write


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("[keys]\nwindwo = 60\n", 2, "unknown key windwo in [keys]. Use one of: window, clock_skew, "),
        ("[keys]\n\n[kyes]\n", 3, "unknown section [kyes]. Use one of: chain, fallback, "),
        ("[keys]\nwindow = 60\nwindow = 61\n", 3, "[keys] window is set already (line 2)."),
        ("[keys]\n[imds]\n[keys]\n", 3, "section [keys] is there already (line 1)."),
        ("window = 60\n", 1, "a line before the first [section]."),
        ("[keys]\nwindow 60\n", 2, "the line is not `key = value`, [section] or a comment."),
        ("[DEFAULT]\nwindow = 60\n", 1, "unknown section [DEFAULT]."),
        ('\n[imds "x"]\n', 2, 'invalid section [imds "x"]. Write [imds].'),
        ("[imds ]\n", 1, "invalid section [imds ]. Write [imds]."),
    ],
)
def test_a_problem_of_a_file_is_reported_with_its_line(tmp_path: Path, text: str, line: int, problem: str) -> None:
    path = write(tmp_path, text)
    assert problems(path)[0].startswith(f"{path}:{line}: {problem}")


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "[keys]\nwindow = x\nwindwo = 1\n[kyes]\n")
    other = write(tmp_path, "[imds]\ndeadline 1\n  x\nx\n", "conf.d/a.conf")
    places = [problem.partition(": ")[0] for problem in problems(path)]
    assert places == [f"{path}:2", f"{path}:3", f"{path}:4", f"{other}:2", f"{other}:4"]


def test_drop_ins_are_read_after_the_file_in_the_order_of_their_names(tmp_path: Path) -> None:
    path = write(tmp_path, "[keys]\nwindow = 10\nclock_skew = 10\n")
    write(tmp_path, "[keys]\nwindow = 30\n", "conf.d/20.conf")
    write(tmp_path, "[keys]\nwindow = 20\n", "conf.d/10.conf")
    for ignored in ("conf.d/30.conf.bak", "conf.d/.40.conf", "conf.d/README"):
        write(tmp_path, "nonsense", ignored)
    keys = loader.load(path).keys
    assert (keys.window, keys.clock_skew) == (30, 10)


def test_a_setting_is_found_where_it_was_set_last(tmp_path: Path) -> None:
    path = write(tmp_path, "[chain]\ncommand = /usr/bin/true\n")
    assert loader.where_set(path, "chain", "command") == f"{path}:2"
    assert loader.where_set(path, "keys", "window") is None
    # A line that continues a value may look like a section or a setting.
    region = "[instance]\nregion =\n  [chain]\n  command = x\n"
    drop_in = write(tmp_path, f"{region}[keys]\n\n  # a comment\n  types = ssh-rsa\n    command\n", "conf.d/1.conf")
    assert loader.where_set(path, "chain", "command") == f"{path}:2"
    assert problems(path)[0].startswith(f"{drop_in}:2: [instance] region is invalid ")
    assert problems(path)[1].startswith(f"{drop_in}:8: [keys] types is invalid ")


def test_a_problem_in_a_drop_in_invalidates_the_configuration(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    drop_in = write(tmp_path, "[keys]\nwindow = 0\n", "conf.d/10.conf")
    assert problems(path)[0].startswith(f"{drop_in}:2: ")


def test_an_invalid_configuration_refuses_every_pushed_key(tmp_path: Path) -> None:
    config, refusal = loader.load_or_refuse(write(tmp_path, "[keys]\nwindow = 0\n[log]\nlevel = err\n"))
    assert config.log.level == 3
    assert refusal is not None
    assert refusal.reason is Reason.CONFIG_INVALID
    # Without the last full stop, as part of a record's sentence.
    assert refusal.detail.endswith("[keys] window is invalid ('0'). Use a whole number from 1 to 3600 (seconds)")
    assert loader.load_or_refuse(write(tmp_path, "")) == (build({}), None)


# What of an invalid configuration stays in force.


@pytest.mark.parametrize(("faulty", "kept"), [("keys", False), ("fallback", False), ("imds", True)])
def test_the_fallback_is_salvaged_only_with_the_policy_for_its_keys(tmp_path: Path, faulty: str, kept: bool) -> None:
    sections = {"keys": "min_rsa_bits = 4096\n", "fallback": "keys_file = /k/%u\nwhen = no-key\n", "imds": ""}
    sections[faulty] += "windwo = 5\n"
    path = write(tmp_path, "".join(f"[{name}]\n{text}" for name, text in sections.items()))
    salvaged = invalid(path).salvaged
    assert (salvaged.fallback.when == "no-key") == kept
    assert not kept or salvaged.keys.min_rsa_bits == 4096


def test_sections_without_a_problem_are_salvaged(tmp_path: Path) -> None:
    path = write(tmp_path, "[log]\ndestination = /var/log/x\n[keys]\nwindow = 10\nclock_skew = x\n")
    salvaged = invalid(path).salvaged
    assert salvaged.log.destination == "/var/log/x"
    assert salvaged.keys == build({}).keys


@pytest.mark.parametrize("fault", ["stray\n", "[keys\n", "[keys]\nwindow = 1\nwindow = 2\n", "[keys]\n[keys]\n"])
@pytest.mark.parametrize("command", ["", "[chain]\ncommand = /usr/bin/false\n"])
def test_an_unparsable_file_invalidates_all_but_a_chained_command_of_another_file(
    tmp_path: Path, fault: str, command: str
) -> None:
    path = write(tmp_path, "[chain]\ncommand = /usr/bin/true\n[log]\nlevel = err\n")
    write(tmp_path, command + fault, "conf.d/1.conf")
    error = invalid(path)
    assert error.salvaged.log == build({}).log
    assert error.salvaged.chain.command == (None if command else "/usr/bin/true")
    assert (error.problems[-1] == "[chain] command: it does not run either.") is bool(command)


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ('[users]\ndeny = a"b\n', False),
        ("[users]\ndenny = root\n", False),
        ("[users] deny = root\n", False),
        ("[users x]\ndeny = root\n", False),
        ("[Users]\ndeny = root\n", False),
        ("[user]\ndeny = root\n", False),
        ("[ users ]\ndeny = root\n", False),
        ("[users\ndeny = root\n", False),
        ("stray\n[users]\nskip = root\n", False),
        ("stray\n  deny = root\n", False),
        ("[keys]\ndeny = root\n", False),
        ("[chain]\nallow = root\n", False),
        ("stray\n", True),
        ('[policy "x"]\ncallers = nobody\n', True),
        ("[polic]\n", True),
        ("[keys]\nwindow = x\n", True),
    ],
)
def test_chained_command_does_not_run_while_it_is_not_known_whom_users_denies(
    tmp_path: Path, text: str, runs: bool
) -> None:
    path = write(tmp_path, "[chain]\ncommand = /usr/bin/true\n[fallback]\nkeys_file = /k/%u\nwhen = no-key\n")
    write(tmp_path, text, "conf.d/1.conf")
    error = invalid(path)
    assert error.salvaged.chain.command == ("/usr/bin/true" if runs else None)
    assert (error.problems[-1] == "[chain] command: it does not run either.") is not runs
    assert error.salvaged.fallback.keys_file is None


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("Users", False),
        ('Policy "x"', False),
        ('policy"x"', False),
        ("policies", False),
        ("key", False),
        ("logs", True),
    ],
)
def test_section_that_may_be_meant_for_who_may_log_in_disables_the_fallback(
    tmp_path: Path, header: str, kept: bool
) -> None:
    path = write(tmp_path, f"[fallback]\nkeys_file = /k/%u\nwhen = no-key\n[{header}]\n")
    assert (invalid(path).salvaged.fallback.keys_file is not None) is kept


def test_chained_command_is_not_mentioned_where_there_is_none(tmp_path: Path) -> None:
    assert len(invalid(write(tmp_path, "[users]\ndenny = root\n")).problems) == 1


# Files that are not there, or that others control.


@pytest.mark.parametrize("name", ["eic-sshd.conf", "conf.d"])
def test_symbolic_link_to_nothing_is_a_problem(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / "not-mounted")
    with pytest.raises(loader.ConfigError, match=f"{name}: it "):
        loader.load(str(tmp_path / "eic-sshd.conf"), missing_ok=True)


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.conf")
    assert problems(missing) == [f"{missing}: it does not exist."]
    assert loader.load(missing, missing_ok=True) == build({})


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path, "")
    os.chmod(path, mode)
    assert f"(mode {mode:04o}). Run `chmod go-w {path}`." in problems(path)[0]


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775, 0o1773])
@pytest.mark.parametrize("drop_in", ["10.conf", None])
def test_a_folder_that_others_can_write_is_refused_even_if_it_is_empty(
    tmp_path: Path, mode: int, drop_in: Optional[str]
) -> None:
    """Another user may have removed a file that denies logins."""
    path = write(tmp_path, "")
    (tmp_path / "conf.d").mkdir()
    if drop_in:
        write(tmp_path / "conf.d", "", drop_in)
    os.chmod(tmp_path / "conf.d", mode)
    assert f"{tmp_path}/conf.d: folder writable by" in problems(path)[0]


def test_a_missing_file_in_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc").chmod(0o1777)
    with pytest.raises(loader.ConfigError, match="etc: folder writable by others"):
        loader.load(str(tmp_path / "etc/eic-sshd.conf"), missing_ok=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    os.chown(path, 12345, 12345)
    assert "owned by uid 12345, not by root. Run `chown root" in problems(path)[0]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_fifo_or_a_folder_in_place_of_the_file_is_a_problem(tmp_path: Path, make: Callable[[str], None]) -> None:
    path = str(tmp_path / "eic-sshd.conf")
    make(path)
    assert path in problems(path)[0]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[keys]\nwindow = \0\n", b"[", b"#" * 300_000, b"[keys\n", b"=\n"])
def test_a_file_of_other_bytes_is_a_problem(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "eic-sshd.conf"
    path.write_bytes(content)
    assert str(path) in problems(str(path))[0]


@pytest.mark.parametrize(("content", "runs"), [(b"\xff", True), (b"[chain]\ncommand = \xff\n", False)])
def test_a_file_that_is_not_utf8_invalidates_the_chained_command_if_it_sets_one(
    tmp_path: Path, content: bytes, runs: bool
) -> None:
    path = write(tmp_path, "[chain]\ncommand = /usr/bin/true\n")
    drop_in = Path(write(tmp_path, "", "conf.d/1.conf"))
    drop_in.write_bytes(content)
    error = invalid(path)
    assert error.problems[0] == f"{drop_in}: it is not UTF-8 (byte {content.index(255)})."
    assert error.salvaged.chain.command == ("/usr/bin/true" if runs else None)


@pytest.mark.parametrize("line", ["{}", "{} = 1", "[{}]", "[keys {}]", "[instance]\nregion = {}\n[keys]"])
def test_a_file_of_another_kind_makes_no_long_record(tmp_path: Path, line: str) -> None:
    lines = "".join(line.format(f"{number}{'x' * 1000}") + "\n" for number in range(200))
    error = invalid(write(tmp_path, f"[keys]\n{lines}"))
    assert len(error.problems) >= 200
    assert len(str(error)) < 10_000
    assert str(error).endswith(" more problems: run `eic-sshd check-config`")


def test_reading_names_the_sections_that_are_invalid(tmp_path: Path) -> None:
    path = write(tmp_path, "[keys]\nwindow = 0\n[log]\nlvl = 1\n[none]\n")
    names: List[str] = loader.read(path, SECTIONS).invalid_sections
    assert names == ["keys", "log", "none"]


FALLBACK = "[fallback]\nkeys_file = /keys/%u\nwhen = no-key\n"


@pytest.mark.parametrize(
    "broken",
    [
        "[users]\ndeny = @\n",
        "[users]\nother = a\n",
        '[policy "a"]\ncallers = arn:aws:iam::1:user/a\n',
        '[policy "a"]\nos_users = "a\n',
        "[policy]\nos_users = a\n",
        '[policy "a"]\nos_users = a\n[policy "a"]\nos_users = b\n',
    ],
)
def test_invalid_users_or_policy_disables_the_fallback(tmp_path: Path, broken: str) -> None:
    config, refusal = loader.load_or_refuse(write(tmp_path, FALLBACK))
    assert (refusal, config.fallback.keys_file) == (None, "/keys/%u")
    config, refusal = loader.load_or_refuse(write(tmp_path, FALLBACK + broken))
    assert refusal is not None
    assert config.fallback.keys_file is None


def test_same_policy_in_two_files_is_a_problem_with_both_places(tmp_path: Path) -> None:
    path = write(tmp_path, '[policy "a"]\nos_users = a\n')
    drop_in = write(tmp_path, '[policy "a"]\nos_users = b\n', "conf.d/10.conf")
    (problem,) = problems(path)
    assert problem.startswith(f"{drop_in}:1: ")
    assert f"({path}:1)" in problem


def test_stamp_differs_after_any_change_of_a_file_of_the_configuration(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    seen = [loader.stamp(path)]

    def changed() -> bool:
        seen.append(loader.stamp(path))
        return seen[-1] not in seen[:-1]

    assert seen == [loader.stamp(path)]
    drop_in = Path(write(tmp_path, "", "conf.d/10.conf"))
    assert changed()
    drop_in.write_text("[keys]\n")
    assert changed()
    os.utime(drop_in, ns=(1, 1))
    assert changed()
    os.replace(drop_in, tmp_path / "conf.d/20.conf")
    assert changed()
    Path(path).write_text("[keys]\n")
    assert changed()
    Path(path).unlink()
    assert changed()
    (tmp_path / "conf.d/20.conf").unlink()
    assert changed()


@pytest.mark.parametrize(("length", "shown"), [(200, "x" * 200 + "'"), (201, "x" * 200 + "...'")])
def test_value_of_more_than_200_characters_is_marked_as_cut(tmp_path: Path, length: int, shown: str) -> None:
    path = write(tmp_path, f"[keys]\nwindow = {'x' * length}\n")
    assert f"'{shown})" in problems(path)[0]
