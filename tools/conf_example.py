# SPDX-License-Identifier: Apache-2.0
"""Makes etc/eic-sshd.conf, which the packages install, from the schema."""

from __future__ import annotations

import textwrap
from typing import Iterator, Sequence, Type

from eic_sshd.config.schema import SECTIONS
from eic_sshd.config.section import Section, Setting

_HEAD = """\
# eic-sshd.conf: see eic-sshd.conf(5). Every setting is here with its default, as
# a comment. To change one, remove its `#`, or write it to a file in conf.d/.
"""
_WIDTH = 78


def conf_example(sections: Sequence[Type[Section]] = SECTIONS) -> str:
    """The text of the file: every setting with its default, as a comment."""
    return _HEAD + "".join(line for section in sections for line in _section(section))


def _section(section: Type[Section]) -> Iterator[str]:
    # A section that repeats would exist if its header was no comment.
    yield f"\n{'#' if section.repeats else ''}[{section.header('NAME')}]\n"
    for setting in section.settings:
        yield from _setting(setting)


def _setting(setting: Setting[object]) -> Iterator[str]:
    text = f"{setting.help} In {setting.unit}." if setting.unit else setting.help
    for line in textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False):
        yield f"# {line}\n"
    yield f"#{setting.name} = {setting.default}".rstrip() + "\n"
