# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import List, Optional

import pytest

from eic_sshd.config.schema import FallbackSettings
from eic_sshd.decide.fallback import KeysFile, NoKeys, Read
from eic_sshd.host.trusted_files import UntrustedFile
from eic_sshd.model.public_key import KeyPolicy, parse
from eic_sshd.model.reasons import NotGranted, Reason
from testbed import keys

NO_KEY = NotGranted(Reason.NO_ACTIVE_KEYS, "")
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="a keys file must be root's")


def keys_file(read: Read, when: str = "no-key") -> KeysFile:
    return KeysFile(FallbackSettings(keys_file="/keys/%u", when=when), KeyPolicy(), read)


def problem(file: KeysFile, fingerprint: Optional[str] = None) -> str:
    with pytest.raises(NoKeys) as caught:
        file("root", fingerprint, NO_KEY)
    return str(caught.value)


def test_keys_file_of_the_user_is_read() -> None:
    line = keys.ed25519_line()
    read = []

    def content(path: str) -> bytes:
        read.append(path)
        return f"# comment\n{line}\n".encode()

    assert keys_file(content)("root", None, NO_KEY) == (parse(line.encode()),)
    assert read == ["/keys/root"]


def test_hanging_keys_file_is_abandoned_in_time() -> None:
    leave = threading.Event()

    def hang(path: str) -> bytes:
        leave.wait(60)
        return b""

    try:
        assert "/keys/root: no answer within 1 s" in problem(keys_file(hang))
    finally:
        leave.set()


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("odd")])
def test_exception_while_a_keys_file_is_read_is_raised(error: Exception) -> None:
    def fail(path: str) -> bytes:
        raise error

    with pytest.raises((NoKeys, ValueError)) as caught:
        keys_file(fail)("root", None, NO_KEY)
    assert ("Input/output error" if isinstance(error, OSError) else "odd") in str(caught.value)


def test_error_of_a_keys_file_is_the_detail_of_the_refusal() -> None:
    def refuse(path: str) -> bytes:
        raise UntrustedFile(path, "writable by others")

    assert problem(keys_file(refuse)) == "fallback: /keys/root: writable by others"


@pytest.mark.parametrize(
    ("pattern", "when", "reason", "read"),
    [
        ("/keys/%u", "no-key", Reason.NO_ACTIVE_KEYS, True),
        ("/keys/%u", "no-key", Reason.IMDS_UNREACHABLE, True),
        ("/keys/%u", "unavailable", Reason.IMDS_UNREACHABLE, True),
        ("/keys/%u", "unavailable", Reason.NO_ACTIVE_KEYS, False),
        ("/keys/%u", "never", Reason.IMDS_UNREACHABLE, False),
        (None, "no-key", Reason.NO_ACTIVE_KEYS, False),
        (None, "unavailable", Reason.IMDS_UNREACHABLE, False),
    ],
)
def test_keys_file_is_read_only_as_the_setting_says(
    pattern: Optional[str], when: str, reason: Reason, read: bool
) -> None:
    paths: List[str] = []

    def content(path: str) -> bytes:
        paths.append(path)
        return b""

    file = KeysFile(FallbackSettings(keys_file=pattern, when=when), KeyPolicy(), content)
    with pytest.raises(NoKeys) as caught:
        file("root", None, NotGranted(reason, ""))
    assert paths == (["/keys/root"] if read else [])
    assert (str(caught.value) != "") == read


@pytest.mark.parametrize(
    ("pattern", "path"),
    [("/keys/%u", "/keys/al"), ("/keys/%u/%u", "/keys/al/al"), ("/50%%/%u", "/50%/al"), ("/%%u/%x", "/%u/%x")],
)
def test_path_of_a_keys_file_has_the_user_name(pattern: str, path: str) -> None:
    paths: List[str] = []

    def content(path: str) -> bytes:
        paths.append(path)
        return b""

    with pytest.raises(NoKeys):
        KeysFile(FallbackSettings(keys_file=pattern, when="no-key"), KeyPolicy(), content)("al", None, NO_KEY)
    assert paths == [path]


@pytest.mark.parametrize("user", ["a/b", "/", "a\0", "\0", ".", "..", ".ssh", "../root"])
def test_user_name_that_leads_out_of_the_folder_is_refused(user: str) -> None:
    def content(path: str) -> bytes:
        raise AssertionError(f"{path} is read")

    with pytest.raises(NoKeys, match="cannot be part of a path"):
        keys_file(content)(user, None, NO_KEY)


def padded(size: int) -> bytes:
    """A keys file of `size` bytes, with one key in it."""
    line = keys.ed25519_line().encode()
    return line + b"\n" * (size - len(line))


def on_disk(folder: Path, content: bytes) -> KeysFile:
    """A keys file below `folder`, which is read as it is without a test."""
    (folder / "root").write_bytes(content)
    (folder / "root").chmod(0o600)
    return KeysFile(FallbackSettings(keys_file=f"{folder}/%u", when="no-key"), KeyPolicy())


@only_root
def test_keys_file_of_more_than_256_kib_is_refused(tmp_path: Path) -> None:
    assert len(on_disk(tmp_path, padded(256 * 1024))("root", None, NO_KEY)) == 1
    assert "longer than 262144 bytes" in problem(on_disk(tmp_path, padded(256 * 1024 + 1)))


@only_root
@pytest.mark.parametrize("uid", [1, 12345])
def test_keys_file_of_another_user_than_root_is_refused(tmp_path: Path, uid: int) -> None:
    file = on_disk(tmp_path, padded(200))
    os.chown(tmp_path / "root", uid, 0)
    assert f"owned by uid {uid}, not by root" in problem(file)


def test_at_most_16_reads_of_keys_files_hang_at_one_time() -> None:
    leave = threading.Event()
    problems: List[str] = []

    def hang(path: str) -> bytes:
        leave.wait(60)
        return b""

    threads = [threading.Thread(target=lambda: problems.append(problem(keys_file(hang)))) for _ in range(17)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        leave.set()
    assert sorted("no answer" in one for one in problems) == [False] + [True] * 16
