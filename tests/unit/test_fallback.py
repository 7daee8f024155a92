# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from typing import Optional

import pytest

from eic_sshd.config.schema import FallbackSettings
from eic_sshd.decide.fallback import KeysFile, NoKeys, Read
from eic_sshd.model.decision import NotGranted, Reason
from eic_sshd.model.public_key import KeyPolicy, parse
from tests import keys

NO_KEY = NotGranted(Reason.NO_ACTIVE_KEYS, "")


def keys_file(read: Read, when: str = "no-key") -> KeysFile:
    return KeysFile(FallbackSettings("/keys/%u", when), KeyPolicy(), read)


def problem(file: KeysFile, fingerprint: Optional[str] = None) -> str:
    with pytest.raises(NoKeys) as caught:
        file("root", fingerprint, NO_KEY)
    return str(caught.value)


def test_the_file_of_the_user_is_read() -> None:
    line = keys.ed25519_line()
    read = []

    def content(path: str) -> bytes:
        read.append(path)
        return f"# comment\n{line}\n".encode()

    assert keys_file(content)("root", None, NO_KEY) == (parse(line.encode()),)
    assert read == ["/keys/root"]


def test_a_disk_that_hangs_is_given_up_in_time() -> None:
    leave = threading.Event()

    def hang(path: str) -> bytes:
        leave.wait(60)
        return b""

    try:
        assert "/keys/root: no answer within 1 s" in problem(keys_file(hang))
    finally:
        leave.set()


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("odd")])
def test_what_reading_raises_is_raised(error: Exception) -> None:
    def fail(path: str) -> bytes:
        raise error

    with pytest.raises((NoKeys, ValueError)) as caught:
        keys_file(fail)("root", None, NO_KEY)
    assert ("Input/output error" if isinstance(error, OSError) else "odd") in str(caught.value)
