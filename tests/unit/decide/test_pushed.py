# SPDX-License-Identifier: Apache-2.0
"""Which blocks of an answer are judged, however many there are."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import List, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eic_sshd.decide import pushed
from eic_sshd.model import public_key, signed_key
from eic_sshd.model.reasons import NotGranted, Reason


def key_line(seed: int) -> bytes:
    """An Ed25519 key: any 32 bytes will do here."""
    blob = struct.pack(">I11sI32s", 11, b"ssh-ed25519", 32, hashlib.sha256(str(seed).encode()).digest())
    return b"ssh-ed25519 " + base64.b64encode(blob)


def block(line: bytes, caller: str = "arn", timestamp: bytes = b"1700000060") -> bytes:
    fields = b"#Timestamp=" + timestamp + b"\n#Instance=i-0123456789abcdef0\n#Caller=" + caller.encode() + b"\n"
    return fields + line + b"\n" + base64.b64encode(b"s" * 256) + b"\n"


def fingerprint(line: bytes) -> str:
    return public_key.parse(line).fingerprint


WANTED = key_line(0)


def callers(blob: bytes, fingerprint: Optional[str]) -> List[Optional[str]]:
    return [one.caller for one in pushed.read(blob, fingerprint).blocks]


def refusal(blob: bytes, fingerprint: Optional[str] = None) -> NotGranted:
    with pytest.raises(NotGranted) as caught:
        pushed.read(blob, fingerprint)
    return caught.value


def test_blocks_with_other_keys_are_dropped_and_not_counted() -> None:
    blob = b"\n".join(block(key_line(number)) for number in range(1, 1000)) + block(WANTED, "last")
    found = pushed.read(blob, fingerprint(WANTED))
    assert [one.caller for one in found.blocks] == ["last"]
    assert (found.malformed, found.not_judged) == ([], 0)


def test_only_the_first_1024_blocks_with_the_key_are_judged() -> None:
    blob = b"".join(block(WANTED, f"caller{number}") for number in range(1068))
    found = pushed.read(blob, fingerprint(WANTED))
    assert [one.caller for one in found.blocks] == [f"caller{number}" for number in range(1024)]
    assert found.not_judged == 44


def test_only_the_first_1024_blocks_are_judged_when_sshd_names_no_fingerprint() -> None:
    blob = b"".join(block(key_line(number)) for number in range(1025))
    found = pushed.read(blob, None)
    assert (len(found.blocks), found.not_judged) == (1024, 1)


def test_no_more_than_4096_further_blocks_are_counted() -> None:
    assert "1023 more refused, 4096 more not looked at" in refusal(b"x\n\n" * 6000).detail
    assert "1023 more refused, 4095 more not looked at" in refusal(b"x\n\n" * (1024 + 4095)).detail


@pytest.mark.parametrize(("others", "reason"), [(255, Reason.BLOCK_MALFORMED), (256, Reason.FINGERPRINT_MISMATCH)])
def test_first_256_blocks_with_other_keys_are_looked_at_for_the_reason(others: int, reason: Reason) -> None:
    blob = b"".join(block(key_line(number)) for number in range(1, others + 1)) + b"#\nx\n"
    assert refusal(blob, fingerprint(WANTED)).reason is reason


def test_malformed_blocks_with_other_keys_do_not_count() -> None:
    malformed = [b"x\n\n", b"#\n", b"#Timestamp=1\n", block(b"ssh-ed25519 AAAA"), block(key_line(7), timestamp=b"soon")]
    blob = b"\n".join(malformed * 500) + b"\n" + block(WANTED, "last")
    assert callers(blob, fingerprint(WANTED)) == ["last"]


@pytest.mark.parametrize("between", [b"", b"\n", b" \t\n\n"])
@pytest.mark.parametrize("ending", [b"", b"\r", b" comment of it", b"\t\t# odd"])
def test_block_with_the_key_is_found_at_any_position(between: bytes, ending: bytes) -> None:
    blob = between.join([block(key_line(1)), block(WANTED + ending, "this"), block(key_line(2)), b""])
    (found,) = pushed.read(blob, fingerprint(WANTED)).blocks
    assert found.caller == "this"
    assert found.key_line == WANTED + ending
    assert found.signed.endswith(WANTED + ending + b"\n")


def test_block_is_found_by_an_md5_fingerprint() -> None:
    digest = hashlib.new("md5", public_key.parse(WANTED).blob, usedforsecurity=False).hexdigest()
    md5 = "MD5:" + ":".join(digest[at : at + 2] for at in range(0, 32, 2))
    assert callers(block(key_line(1)) + block(WANTED, "this"), md5) == ["this"]


def test_key_in_place_of_a_signature_is_not_pushed() -> None:
    blob = block(key_line(1)) + WANTED + b"\n" + base64.b64encode(b"s" * 256) + b"\n"
    assert refusal(blob, fingerprint(WANTED)).reason is not Reason.GRANTED
    assert refusal(WANTED + b"\n", fingerprint(WANTED)).reason is Reason.BLOCK_MALFORMED


def test_malformed_block_with_the_key_is_reported_as_malformed() -> None:
    one = refusal(block(key_line(1)) + block(WANTED, timestamp=b"soon"), fingerprint(WANTED))
    assert one.reason is Reason.BLOCK_MALFORMED
    assert "Timestamp" in one.detail


def test_many_malformed_blocks_with_the_key_are_counted() -> None:
    one = refusal(block(WANTED, timestamp=b"soon") * 1068, fingerprint(WANTED))
    assert "1023 more refused, 44 more not looked at" in one.detail


def test_other_pushed_keys_are_reported_as_a_fingerprint_mismatch() -> None:
    assert refusal(block(key_line(1)), fingerprint(WANTED)).reason is Reason.FINGERPRINT_MISMATCH


def test_malformed_key_among_other_keys_is_reported() -> None:
    one = refusal(block(key_line(1)) + block(b"ssh-ed25519 AAAA"), fingerprint(WANTED))
    assert one.reason is Reason.KEY_MALFORMED
    assert "1 more refused" in one.detail


@pytest.mark.parametrize("blob", [b"", b"\n", b" \n\t\n"])
@pytest.mark.parametrize("asked", [None, fingerprint(WANTED)])
def test_empty_answer_has_no_active_keys(blob: bytes, asked: Optional[str]) -> None:
    assert refusal(blob, asked).reason is Reason.NO_ACTIVE_KEYS


@pytest.mark.parametrize("field", [b"#Later=" + b"x" * 20_000 + b"\n", b"#\n" * 10_000])
def test_block_of_more_than_16_kib_is_malformed(field: bytes) -> None:
    for asked in (None, fingerprint(WANTED)):
        assert refusal(field + block(WANTED), asked).reason is Reason.BLOCK_MALFORMED


def test_block_of_16_kib_is_accepted() -> None:
    one = block(WANTED, "this")
    filler = b"#" + b"x" * (16 * 1024 - len(one) - 2) + b"\n"
    assert len(filler + one) == 16 * 1024
    assert callers(filler + one, fingerprint(WANTED)) == ["this"]
    assert refusal(b"#" + filler + one, fingerprint(WANTED)).reason is Reason.BLOCK_MALFORMED


PIECES = [
    WANTED + b"\n", key_line(1) + b"\n", b"#Timestamp=1700000060\n", b"#Instance=i-0123456789abcdef0\n", b"#\n",
    b"\n", b" \n", b"QUFB\n", b"x", b"\r\n", b"\t", b"#", WANTED, b" " + WANTED + b"\n",
]  # fmt: skip


def has_wanted_key(block: bytes) -> bool:
    """Whether `block` has fields and then the wanted key, found by reading line by line."""
    lines = block.split(b"\n")
    rest = [line for line in lines if line and not line.startswith(b"#")]
    if not rest or not lines[0].startswith(b"#") or rest[0][:1].isspace():
        return False
    return rest[0].split()[1:2] == WANTED.split()[1:]  # a key by its bytes, whatever type is written before it


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_search_by_fingerprint_finds_the_same_blocks_as_parsing_all(pieces: List[bytes]) -> None:
    blob = b"".join(pieces)
    wanted = public_key.parse(WANTED).blob
    expected = [block for block in signed_key.split(blob) if has_wanted_key(block)]
    assert list(signed_key.carrying(blob, lambda key: key == wanted)) == expected


def test_blocks_with_other_keys_are_not_counted_beside_a_malformed_one() -> None:
    blob = block(WANTED, timestamp=b"x") + b"\n" + block(key_line(1))
    found = refusal(blob, fingerprint(WANTED))
    assert found.reason is Reason.BLOCK_MALFORMED
    assert "more" not in found.detail
