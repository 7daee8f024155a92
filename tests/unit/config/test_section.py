# SPDX-License-Identifier: Apache-2.0
"""Sections and settings that are declared here: those of the product are in test_schema.py."""

from __future__ import annotations

from pathlib import Path
from typing import List

import pytest

from eic_sshd.config import loader, values
from eic_sshd.config.section import Section, Setting

from .files import write


class Host(Section, name="host"):
    """One host."""

    port = Setting(values.whole_number(1, 9), "2", "Its port.")


class Policy(Section, name="policy", repeats=True):
    """Who may be whom."""

    callers = Setting(values.blank_separated(values.path), "", "Their paths.", several_lines=True)
    window = Setting(values.whole_number(1, 9), "5", "How long.", unit="seconds")


SECTIONS = (Host, Policy)


def read(path: str) -> loader.Reading:
    return loader.read(path, SECTIONS)


def problems(path: str) -> List[str]:
    found = [str(one) for one in read(path).problems]
    assert found
    return found


def test_a_class_is_the_declaration_and_an_instance_has_the_values() -> None:
    assert [setting.name for setting in Policy.settings] == ["callers", "window"]
    assert (Policy.window.default, Policy.window.unit, Policy.window.help) == ("5", "seconds", "How long.")
    window: int = Policy(window=7).window  # mypy knows its type from the parser
    assert window == 7
    assert Policy().callers == ()
    assert (Policy.name, Policy.repeats, Host.repeats) == ("policy", True, False)


def test_values_are_immutable() -> None:
    one = Policy()
    for name in ("window", "other"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(one, name, 6)
    assert one.window == 5


def test_only_declared_settings_have_values() -> None:
    with pytest.raises(TypeError, match=r"\[host\] has no setting prot"):
        Host(prot=1)


def test_sections_are_equal_if_their_kinds_and_values_are() -> None:
    assert Host() == Host(port=2)
    assert Host() != Host(port=3)
    assert Host() != Policy()
    assert repr(Host(port=3)) == "Host(port=3)"


def test_a_section_can_repeat_with_names(tmp_path: Path) -> None:
    path = write(tmp_path, '[policy "ops"]\nwindow = 1\n[host]\n[policy "x"]\ncallers = /a\n')
    write(tmp_path, '[policy  "Ops team (EU), [x]"]\n', "conf.d/1.conf")
    found = read(path)
    assert not found.problems
    assert Policy.each_of(found.values) == {
        "ops": Policy(window=1),
        "x": Policy(callers=("/a",)),
        "Ops team (EU), [x]": Policy(),
    }
    assert Host.of(found.values) == Host()
    assert found.origins['policy "x"', "callers"] == f"{path}:5"
    assert Policy.each_of({}) == {}


@pytest.mark.parametrize("again", ['[policy "x"]', '[policy   "x"]'])
def test_a_name_is_used_once_in_a_file(tmp_path: Path, again: str) -> None:
    path = write(tmp_path, f'[policy "x"]\nwindow = 1\n\n{again}\nwindow = 2\n')
    (problem,) = problems(path)
    assert problem.startswith(f'{path}:4: section [policy "x"] is there already (')
    assert "line 1)" in problem or f"{path}:1)" in problem
    assert "policy" in read(path).invalid_sections


def test_a_name_is_used_once_in_all_files(tmp_path: Path) -> None:
    path = write(tmp_path, '\n[policy "x"]\nwindow = 1\n')
    drop_in = write(tmp_path, '[policy "y"]\n[policy "x"]\nwindow = 0\n', "conf.d/1.conf")
    assert problems(path) == [
        f'{drop_in}:2: section [policy "x"] is there already ({path}:2). Rename or remove one.',
        f"{drop_in}:3: [policy \"x\"] window is invalid ('0'). Use a whole number from 1 to 9 (seconds).",
    ]
    assert set(read(path).invalid_sections) == {"policy"}


def test_a_section_that_cannot_repeat_is_merged_from_all_files(tmp_path: Path) -> None:
    path = write(tmp_path, "[host]\nport = 3\n")
    write(tmp_path, "[host]\n", "conf.d/1.conf")
    assert Host.of(read(path).values) == Host(port=3)


NAME = 'Write [policy "NAME"], with 1 to 64 printable characters as the name'


@pytest.mark.parametrize(
    ("header", "remedy"),
    [
        ("policy", NAME),
        ('policy ""', NAME),
        ('policy " "', NAME),
        ('policy " x"', NAME),
        ('policy "x "', NAME),
        ("policy x", NAME),
        ('policy "x" y', NAME),
        ('policy "x" "y"', NAME),
        ('policy "x\ty"', NAME),
        ('policy "x\u200by"', NAME),
        (f'policy "{"x" * 65}"', NAME),
        ('host "x"', "Write [host]"),
        ("host x", "Write [host]"),
    ],
)
def test_an_invalid_name_is_a_problem(tmp_path: Path, header: str, remedy: str) -> None:
    path = write(tmp_path, f"\n[{header}]\n")
    assert problems(path) == [f"{path}:2: invalid section [{header}]. {remedy}."]
    assert read(path).invalid_sections == [header.split()[0]]
    assert not read(path).values


@pytest.mark.parametrize("name", ["x", "x" * 64, "a b", "]", "\u00e4", "a'b"])
def test_a_valid_name_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    found = read(write(tmp_path, f'[policy "{name}"]\nwindow = 1\n'))
    assert not found.problems
    assert list(Policy.each_of(found.values)) == [name]


@pytest.mark.parametrize(
    "text", ["/a /b", " /a\t/b /a", "\n  /a\n  /b", "/a\n /b", "\n\t/a\n\t/b\r", "/a\n   /b\n\n[host]"]
)
def test_a_list_is_separated_by_blanks_or_lines(tmp_path: Path, text: str) -> None:
    found = read(write(tmp_path, f'[policy "x"]\ncallers = {text}\n'))
    assert not found.problems
    assert Policy.each_of(found.values)["x"].callers == ("/a", "/b")


def test_an_invalid_word_of_a_list_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, '[policy "x"]\ncallers =\n  /a\n  b\n')
    problem = "[policy \"x\"] callers is invalid ('/a\\nb'). Use an absolute path, in place of b."
    assert problems(path) == [f"{path}:2: {problem}"]


def test_only_a_list_continues_on_another_line(tmp_path: Path) -> None:
    path = write(tmp_path, "[host]\nport = 1\n  2\n")
    remedy = "Use one line, and do not indent the line after it"
    assert problems(path) == [f"{path}:2: [host] port is invalid ('1\\n2'). {remedy}."]
