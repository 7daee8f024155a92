# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from eic_sshd.model import key_options
from tests.authorized_keys_options import IGNORED, LOG_IN, STRICTER


@pytest.mark.parametrize("text", ["", *LOG_IN, 'from="192.0.2.0/24,2001:db8::1"', 'expiry-time="20991231Z"'])
def test_options_are_kept_as_they_are_written(text: str) -> None:
    assert key_options.parse(text) == text


@pytest.mark.parametrize(("text", "problem"), [*IGNORED, *STRICTER])
def test_options_that_would_let_no_key_log_in_or_cancel_each_other_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        key_options.parse(text)
    assert problem in str(caught.value)


def test_length_of_options_is_limited() -> None:
    text = 'command="' + "x" * 4086 + '"'
    assert key_options.parse(text) == text
    with pytest.raises(ValueError, match="4096 characters"):
        key_options.parse(f"{text},pty")
