# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Tuple

import pytest

from eic_sshd.model import keys_command

COMMANDS = [
    ("/bin/x", ("/bin/x", "%u")),
    ("/bin/x  %u\t%f", ("/bin/x", "%u", "%f")),
    ('/bin/x "a b" \'c "d\'', ("/bin/x", "a b", 'c "d')),
    ('/bin/x a"b c"d ""', ("/bin/x", "ab cd", "")),
    ("/bin/x # %u", ("/bin/x", "#", "%u")),
    ("/bin/x --home=%h:%U 100%%", ("/bin/x", "--home=%h:%U", "100%%")),
    ("/bin/%x y", ("/bin/%x", "y")),
]


@pytest.mark.parametrize(("text", "words"), COMMANDS)
def test_command_is_split_as_sshd_splits_it(text: str, words: Tuple[str, ...]) -> None:
    assert keys_command.split(text) == words


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "absolute path"),
        ("   ", "absolute path"),
        ("none", "absolute path"),
        ("bin/x %u", "absolute path"),
        ("/bin/x 'a", "not closed"),
        ("/bin/x a\\ b", "backslash"),
        ("/bin/x a\nb", "control character"),
        ("/bin/x a\0b", "control character"),
        ("/bin/x %i", "%i is none of sshd's tokens"),
        ("/bin/x 100%", "% is none of sshd's tokens"),
        ("/bin/x %%%", "% is none of sshd's tokens"),
    ],
)
def test_ambiguous_command_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        keys_command.split(text)


def test_tokens_are_replaced_once() -> None:
    words = ("/bin/%u", "%u", "%%u", "x%h-%f", "%%%U")
    values = {"u": "%f", "h": "/home/a b", "f": "SHA256:x", "U": "1000"}
    assert keys_command.expand(words, values) == ["/bin/%u", "%f", "%u", "x/home/a b-SHA256:x", "%1000"]


def test_token_without_a_value_is_named() -> None:
    with pytest.raises(KeyError, match="k"):
        keys_command.expand(("/bin/x", "%k"), {"u": "root"})


def test_tokens_that_only_sshd_knows_are_listed() -> None:
    assert keys_command.only_sshd_knows(("/bin/%t", "%u%f%%k", "--home=%h%U", "%k")) == {"h", "U", "k"}
