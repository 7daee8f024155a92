# SPDX-License-Identifier: Apache-2.0
"""Which line of sshd's configuration counts, Match lines and included files and all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eic_sshd.sshd.config_file import COMMAND, SshdConfig, outside


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("{C} /a\n{C} /b\n", 1),
        ("Match User bob\n{C} /a\n", None),
        ("{C} /a\nMatch all\n{C} /b\n", 3),
        ("{C} /a\nMATCH All # everyone\n{C} /b\n", 3),
        ("Match all\n{C} /a\nMatch User bob\n{C} /b\nMatch all\n{C} /c\n", 2),
        ("Match all\nX11Forwarding no\nMatch User bob\n{C} /b\n", None),
    ],
)
def test_a_line_under_match_all_takes_precedence_over_lines_outside(tmp_path: Path, text: str, counts: int) -> None:
    config = tmp_path / "sshd_config"
    config.write_text(text.replace("{C}", "AuthorizedKeysCommand"))
    line = outside(SshdConfig(str(config)).lines(COMMAND))
    assert (line and line.number) == counts


@pytest.mark.parametrize(
    ("enclosing", "match", "expected"),
    [
        ("User bob", "Address 10.*", "User bob Address 10.*"),
        ("User bob # why", "Address 10.*", "User bob Address 10.*"),
        ("User bob", "all", "User bob"),
        ("all", "User bob", "User bob"),
        ("all", "all", "all"),
    ],
)
def test_a_match_line_in_a_file_included_under_a_match_line_needs_both(
    tmp_path: Path, enclosing: str, match: str, expected: str
) -> None:
    (tmp_path / "more.conf").write_text(f"Match {match}\nAuthorizedKeysCommand /a\n")
    (tmp_path / "sshd_config").write_text(
        f"Match {enclosing}\nInclude {tmp_path}/more.conf\nAuthorizedKeysCommand /b\n"
    )
    inner, outer = SshdConfig(str(tmp_path / "sshd_config")).lines(COMMAND)
    assert (inner.value, inner.match) == ("/a", expected)
    assert (outer.value, outer.match) == ("/b", enclosing)


def test_a_copy_has_every_file_and_the_texts_that_replace_files(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in ("b.conf", "a.conf"):
        (tmp_path / name).write_text(f"Banner /{name}\nInclude {tmp_path}/none-*.conf\n")
    (tmp_path / "sshd_config").write_text(f'  INCLUDE = "{tmp_path}/[ab].conf" {tmp_path}/new.conf # all\nPort 2\n')
    instead = {f"{tmp_path}/b.conf": "Banner /other\n", f"{tmp_path}/new.conf": "Banner /new\n"}
    config = SshdConfig(str(tmp_path / "sshd_config"), instead)
    copy = SshdConfig(config.copy_to(str(folder)))
    assert [line.value for line in copy.lines("banner")] == ["/a.conf", "/other", "/new"]
    assert [line.value for line in copy.lines("banner")] == [line.value for line in config.lines("banner")]
    assert [line.value for line in copy.lines("port")] == ["2"]
    assert all(line.file.startswith(f"{folder}/") for line in copy.lines("banner"))


def test_files_that_include_each_other_are_copied_once(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    (tmp_path / "sshd_config").write_text(f"Include {tmp_path}/a.conf\n")
    (tmp_path / "a.conf").write_text(f"Include {tmp_path}/a.conf {tmp_path}/sshd_config\n")
    SshdConfig(str(tmp_path / "sshd_config")).copy_to(str(folder))
    assert len(os.listdir(folder)) == 2


@pytest.mark.parametrize("pattern", ["sshd_config.d/*.conf", "/etc/ssh/sshd_config.d/*.conf", "./sshd_config.d/60-*"])
def test_a_relative_include_is_below_etc_ssh_in_any_file(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "sshd_config").write_text(f"Include {pattern}\n")
    config = SshdConfig(str(tmp_path / "sshd_config"), {"/etc/ssh/sshd_config.d/60-eic-sshd.conf": "Banner /x\n"})
    assert config.inclusion_of("/etc/ssh/sshd_config.d/60-eic-sshd.conf")
    assert not config.inclusion_of(f"{tmp_path}/sshd_config.d/60-eic-sshd.conf")
    assert "/x" in [line.value for line in config.lines("banner")]
