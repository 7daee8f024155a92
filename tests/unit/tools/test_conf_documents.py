# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

from eic_sshd.config import loader, values
from eic_sshd.config.schema import SECTIONS, build
from eic_sshd.config.section import Section, Setting
from tools.conf_example import conf_example
from tools.conf_manual import conf_manual


class Place(Section, name="place", repeats=True):
    r"""Who may be "whom" \ where.

    This is the second paragraph.
    """

    callers = Setting(values.path, "", "Their path.", several_lines=True)
    window = Setting(values.whole_number(1, 9), "5", "How long, as in `x y`: see there.", unit="seconds")


def load(folder: Path, text: str) -> loader.Reading:
    (folder / "eic-sshd.conf").write_text(text)
    return loader.read(str(folder / "eic-sshd.conf"), (*SECTIONS, Place))


def test_the_example_is_valid_and_sets_nothing(tmp_path: Path) -> None:
    reading = load(tmp_path, conf_example())
    assert not reading.problems
    assert reading.values == {section.name: {} for section in SECTIONS if not section.repeats}


def test_the_example_without_its_comment_signs_sets_every_setting_to_its_default(tmp_path: Path) -> None:
    lines = conf_example((*SECTIONS, Place)).splitlines()
    text = "\n".join(line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in lines)
    reading = load(tmp_path, text)
    assert not reading.problems
    assert build(reading.values) == build({'policy "NAME"': {}})
    assert Place.each_of(reading.values) == {"NAME": Place()}
    for section in SECTIONS:
        found = reading.values[section.header("NAME")]
        assert list(found) == [setting.name for setting in section.settings]


def test_a_section_that_repeats_is_a_comment_in_the_example() -> None:
    assert conf_example([Place]).partition("\n\n")[2] == (
        '#[place "NAME"]\n# Their path.\n#callers =\n# How long, as in `x y`: see there. In seconds.\n#window = 5\n'
    )


def test_the_manual_has_every_section_and_setting_with_its_default_and_unit() -> None:
    assert conf_manual([Place]).partition(".Sh SETTINGS\n")[2].partition(".Sh FILES")[0] == (
        ".Ss place \\(dqNAME\\(dq\n"
        "Who may be \\(dqwhom\\(dq \\e where.\n"
        "This is the second paragraph.\n"
        ".Bl -tag -width Ds\n"
        ".It Cm callers\n"
        "Their path.\n"
        "The value may continue on further lines, which are indented.\n"
        "There is no default.\n"
        ".It Cm window\n"
        "How long, as in\n"
        ".Ql x y :\n"
        "see there.\n"
        "The default is\n"
        ".Ql 5\n"
        "seconds.\n"
        ".El\n"
    )
