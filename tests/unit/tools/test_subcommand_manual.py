# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.documents import ROOT
from tools.subcommand_manual import manual_pages, page


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="eic-sshd try", description='try a "user"; or none')
    made.add_argument("--user", metavar="NAME", required=True, help="the user (default: %(default)s)", default="root")
    either = made.add_mutually_exclusive_group()
    either.add_argument("-q", "--quiet", action="store_true", help="print nothing. See `--json`")
    either.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument("--kind", choices=["one", "two"], help="the kind")
    made.add_argument("--print", metavar="SHA256:...", help="a fingerprint")
    made.add_argument("--hidden", help=argparse.SUPPRESS)
    made.add_argument("key", nargs="?", metavar="KEYFILE", help="a file")
    made.examples = "Try it:\n  eic-sshd try --user U \\\nTry again:\n  eic-sshd try\n  eic-sshd try -q\n"  # type: ignore[attr-defined]
    return made


def section(text: str, name: str) -> str:
    return text.partition(f"\n.Sh {name}\n")[2].partition("\n.Sh ")[0]


def test_page_has_the_names_and_the_synopsis_of_the_parser() -> None:
    text = page("try", parser(), {})
    assert section(text, "NAME") == ".Nm eic-sshd-try\n.Nd try a \\(dquser\\(dq"
    assert section(text, "SYNOPSIS") == (
        ".Nm eic-sshd\n.Cm try\n.Fl Fl user Ar NAME\n.Op Fl Fl quiet | Fl Fl json\n.Op Fl Fl kind Cm one | two\n"
        ".Op Fl Fl print Ar SHA256:...\n"
        ".Op Ar KEYFILE"
    )


def test_page_explains_each_argument_that_the_help_explains() -> None:
    assert section(page("try", parser(), {}), "DESCRIPTION") == (
        "Try a \\(dquser\\(dq; or none.\n.Pp\nThe arguments:\n.Bl -tag -width Ds\n"
        ".It Fl Fl user Ar NAME\nThe user (default: root).\n"
        ".It Fl q , Fl Fl quiet\nPrint nothing.\nSee\n.Ql --json .\n"
        ".It Fl Fl json\nPrint JSON.\n"
        ".It Fl Fl kind Cm one | two\nThe kind.\n"
        ".It Fl Fl print Ar SHA256:...\nA fingerprint.\n"
        ".It Ar KEYFILE\nA file.\n.El"
    )


def test_no_line_of_a_page_ends_within_a_word() -> None:
    """mdoc(7) would put a blank there."""
    words = " ".join(["user-database"] * 20)
    made = argparse.ArgumentParser(description=words)
    assert section(page("try", made, {}), "DESCRIPTION").replace("\n", " ") == f"{words[:1].upper()}{words[1:]}."


def test_page_has_the_usual_exit_statuses_and_those_of_the_subcommand() -> None:
    text = section(page("try", parser(), {1: "It is broken.", 7: "It is odd."}), "EXIT STATUS")
    assert text == (
        ".Bl -tag -width Ds\n.It 0\nSuccess.\n.It 1\nIt is broken.\n.It 2\nUsage error.\n.It 7\nIt is odd.\n.El"
    )


def test_page_has_the_examples_with_their_command_lines_as_they_are() -> None:
    assert section(page("try", parser(), {}), "EXAMPLES") == (
        "Try it:\n.Bd -literal -offset indent\neic-sshd try --user U \\e\n.Ed\n.Pp\n"
        "Try again:\n.Bd -literal -offset indent\neic-sshd try\neic-sshd try -q\n.Ed"
    )


def test_overview_refers_to_the_page_of_every_subcommand() -> None:
    pages = manual_pages()
    names = {name[: -len(".8")] for name in pages if name != "eic-sshd.8"}
    assert "eic-sshd-check-config" in names
    assert [name for name in names if f".It Xr {name} 8\n" not in pages["eic-sshd.8"]] == []
    assert [name for name in names if f".Xr {name} 8 ,\n" not in pages["eic-sshd.8"]] == []


def test_no_text_is_left_over_for_a_subcommand_that_does_not_exist() -> None:
    texts = {path.stem for path in (Path(ROOT) / "tools/manual").glob("*.mdoc")} - {"eic-sshd"}
    assert {f"eic-sshd-{name}.8" for name in texts} <= set(manual_pages())


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
@pytest.mark.parametrize("name", sorted(manual_pages()))
def test_mandoc_reports_nothing_about_a_page(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(manual_pages()[name])
    command = ["mandoc", "-T", "lint", "-W", "warning", str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == ""
