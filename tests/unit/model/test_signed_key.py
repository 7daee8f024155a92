# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eic_sshd.model import signed_key
from eic_sshd.model.signed_key import MalformedBlock

HEAD = b"#Timestamp=1700000060\n#Instance=i-0123456789abcdef0\n#Caller=arn:aws:x\n#Request=r-1\n"
KEY = b"ssh-ed25519 AAAA comment\n"
SIGNATURE = base64.b64encode(b"s" * 256)
BLOCK = HEAD + KEY + SIGNATURE + b"\n"


def parse(text: bytes) -> signed_key.Block:
    (lines,) = signed_key.split(text)
    return signed_key.parse(lines)


def test_block_is_parsed_into_its_fields() -> None:
    assert parse(BLOCK) == signed_key.Block(
        timestamp=1700000060,
        instance="i-0123456789abcdef0",
        caller="arn:aws:x",
        request_id="r-1",
        key_line=KEY.rstrip(),
        signed=HEAD + KEY,
        signature=b"s" * 256,
    )


def test_signature_of_a_block_may_have_several_lines() -> None:
    wrapped = b"\n".join(SIGNATURE[at : at + 64] for at in range(0, len(SIGNATURE), 64))
    assert parse(HEAD + KEY + wrapped).signature == b"s" * 256


def test_unknown_fields_of_a_block_are_part_of_the_signed_bytes() -> None:
    text = b"#New=1\n#odd\n" + HEAD + b"#Newer\n" + KEY
    assert parse(text + SIGNATURE).signed == text


def test_signed_bytes_of_a_block_are_kept_exactly() -> None:
    text = b"#Odd=\xff\r\n" + HEAD + b"ssh-ed25519 AAAA \xff\t \n"
    assert parse(text + SIGNATURE).signed == text


def test_caller_and_request_of_a_block_are_optional() -> None:
    block = parse(b"#Timestamp=1\n#Instance=i\n" + KEY + SIGNATURE)
    assert (block.caller, block.request_id) == (None, None)


@pytest.mark.parametrize("between", [b"", b"\n", b"\n\n\n", b" \n\t\n"])
def test_blank_lines_between_blocks_are_optional(between: bytes) -> None:
    blocks = [signed_key.parse(lines) for lines in signed_key.split(between + BLOCK + between + BLOCK + between)]
    assert blocks == [parse(BLOCK)] * 2


def test_block_without_a_signature_ends_where_the_next_block_begins() -> None:
    first, second = signed_key.split(HEAD + KEY + BLOCK)
    with pytest.raises(MalformedBlock):
        signed_key.parse(first)
    assert signed_key.parse(second) == parse(BLOCK)


@pytest.mark.parametrize(
    "text",
    [
        HEAD,
        KEY,
        KEY + SIGNATURE,
        HEAD + KEY,
        HEAD + KEY + b"%%%",
        HEAD + KEY + SIGNATURE[:-1],
        b"#Instance=i-1\n" + KEY + SIGNATURE,
        b"#Timestamp=\n#Instance=i-1\n" + KEY + SIGNATURE,
        b"#Timestamp=-1\n#Instance=i-1\n" + KEY + SIGNATURE,
        b"#Timestamp=1e9\n#Instance=i-1\n" + KEY + SIGNATURE,
        b"#Timestamp= 1\n#Instance=i-1\n" + KEY + SIGNATURE,
        "#Timestamp=\u0661\n#Instance=i-1\n".encode() + KEY + SIGNATURE,
        b"#Timestamp=" + b"9" * 400 + b"\n#Instance=i-1\n" + KEY + SIGNATURE,
        b"#Timestamp=1\n" + KEY + SIGNATURE,
        b"#Timestamp=1\n#Instance=\n" + KEY + SIGNATURE,
        b"#Timestamp=1\n" + HEAD + KEY + SIGNATURE,
        b"#Instance=i-2\n" + HEAD + KEY + SIGNATURE,
        b"#Caller=me\n" + HEAD + KEY + SIGNATURE,
        b"#Request=me\n" + HEAD + KEY + SIGNATURE,
        b"#Timestamp=1\n#Instance=i\n#Caller=" + b"x" * 2049 + b"\n" + KEY + SIGNATURE,
        b"#\n" * 128 + HEAD + KEY + SIGNATURE,
        HEAD + KEY + b"QUFB\n" * 128,
        b"<html>not found</html>",
    ],
)
def test_bytes_that_are_not_one_signed_key_are_a_malformed_block(text: bytes) -> None:
    with pytest.raises(MalformedBlock):
        parse(text)


@given(st.binary(max_size=2000))
def test_block_parser_raises_only_malformed_block_for_any_bytes(raw: bytes) -> None:
    for lines in signed_key.split(raw):
        try:
            block = signed_key.parse(lines)
        except MalformedBlock:
            continue
        assert block.signed in raw + b"\n"


@given(st.lists(st.sampled_from([HEAD, KEY, SIGNATURE, b"\n", b"#Timestamp=5\n", b"#", b"x", b"\r\n"]), max_size=20))
def test_block_parser_raises_only_malformed_block_for_pieces_in_any_order(pieces: list[bytes]) -> None:
    for lines in signed_key.split(b"".join(pieces)):
        try:
            block = signed_key.parse(lines)
        except MalformedBlock:
            continue
        assert block.signature
        assert block.signed.endswith(block.key_line + b"\n")


# Each bound, to the digit and the byte.


@pytest.mark.parametrize(("digits", "is_whole"), [(1, True), (15, True), (16, False)])
def test_timestamp_of_a_block_has_at_most_15_digits(digits: int, is_whole: bool) -> None:
    text = b"#Timestamp=" + b"1" * digits + b"\n#Instance=i\n" + KEY + SIGNATURE
    if is_whole:
        assert parse(text).timestamp == int("1" * digits)
    else:
        with pytest.raises(MalformedBlock):
            parse(text)


@pytest.mark.parametrize(
    ("line", "is_key"),
    [
        (b"x " + b"A" * 24, True),
        (b"x" * 64 + b"\t " + b"A" * 22 + b"==", False),
        (b"x" * 64 + b"\t " + b"A" * 26 + b"== comment", True),
        (b"x" * 65 + b" " + b"A" * 24, False),
        (b" " + b"A" * 24, False),
        (b"x " + b"A" * 23, False),
        (b"x " + b"A" * 25 + b"===", False),
        (b"# " + b"A" * 24, False),
    ],
)
def test_line_with_a_type_and_at_least_24_characters_of_base64_may_be_a_key(line: bytes, is_key: bool) -> None:
    assert bool(list(signed_key.carrying(b"#\n" + line + b"\n", lambda _: True))) == is_key


def test_line_with_undecodable_base64_is_not_a_key() -> None:
    assert list(signed_key.carrying(b"x " + b"A" * 25 + b"\n", bool)) == []


LONG = BLOCK.replace(b"AAAA", b"A" * 24)


@pytest.mark.parametrize("before", [b"", b"\n", b"\n\n", LONG, LONG + b"\n", b"#Other=1\n\n"])
@pytest.mark.parametrize("behind", [b"", b"\n", b"#tail\n", b"\n#tail"])
def test_block_with_the_key_is_found_whole_at_any_position(before: bytes, behind: bytes) -> None:
    found = list(signed_key.carrying(before + LONG + behind, lambda _: True))
    assert set(found) == {LONG}
    assert len(found) == 1 + before.count(b"AAAA" * 6)


def test_fields_before_a_blank_line_do_not_belong_to_the_key_after_it() -> None:
    bare = b"x " + b"A" * 24 + b"\n"
    assert list(signed_key.carrying(b"#Other=1\n\n" + bare, lambda _: True)) == []


@pytest.mark.parametrize("text", [HEAD, HEAD.rstrip(b"\n")])
def test_block_without_a_key_is_reported_as_that(text: bytes) -> None:
    with pytest.raises(MalformedBlock, match="has no key"):
        parse(text)


@pytest.mark.parametrize("odd", [b"#Timestamp\n", b"#Instance\n", b"#Caller\n", b"#New=1\n#New=2\n", b"#=\n#=\n"])
def test_repeated_lines_that_are_not_known_fields_are_accepted(odd: bytes) -> None:
    assert parse(odd + BLOCK) == parse(BLOCK)._replace(signed=odd + HEAD + KEY)


def test_signature_with_a_character_outside_base64_is_malformed() -> None:
    with pytest.raises(MalformedBlock, match="not base64"):
        parse(HEAD + KEY + SIGNATURE[:8] + b"%" + SIGNATURE[8:])


def test_field_of_2048_bytes_and_block_of_128_lines_are_accepted() -> None:
    block = parse(b"#\n" * 123 + b"#Timestamp=1\n#Instance=i\n#Caller=" + b"x" * 2048 + b"\n" + KEY + SIGNATURE + b"\n")
    assert block.caller == "x" * 2048
    with pytest.raises(MalformedBlock, match="128 lines"):
        parse(b"#\n" * 124 + b"#Timestamp=1\n#Instance=i\n#Caller=x\n" + KEY + SIGNATURE + b"\n")


def test_caller_with_bytes_that_are_not_ascii_is_no_text_of_ascii() -> None:
    caller = parse(b"#Timestamp=1\n#Instance=i\n#Caller=" + "\U0001f600".encode() + b"\xff\n" + KEY + SIGNATURE).caller
    assert caller == "\udcf0\udc9f\udc98\udc80\udcff"


def test_next_block_after_one_that_is_too_long_begins_after_a_blank_line() -> None:
    long = b"#" + b"x" * 20_000 + b"\n"
    first, second = signed_key.split(long + BLOCK + b" \n" + BLOCK)
    assert first == long[: 16 * 1024 + 1]
    assert second == BLOCK
    assert list(signed_key.split(long + BLOCK)) == [first]


def test_block_of_exactly_16_kib_may_be_followed_by_another_without_a_blank_line() -> None:
    filler = b"#" + b"x" * (16 * 1024 - len(BLOCK) - 2) + b"\n"
    assert list(signed_key.split(filler + BLOCK + BLOCK)) == [filler + BLOCK, BLOCK]
