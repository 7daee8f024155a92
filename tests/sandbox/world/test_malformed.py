# SPDX-License-Identifier: Apache-2.0
"""Malformed world files, and their messages: FILE:LINE: PLACE: problem (value). Remedy."""

from __future__ import annotations

import json
import re

import pytest

from eic_sandbox.pki.authority import Pki
from eic_sandbox.world.document import WorldError, parse
from eic_sandbox.world.nodes import MAX_FILE

from .worlds import EVERY_KEY, NAME, SMALL, Change, built, changes

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(ord(before) + 1)}: &{chr(ord(before) + 1)} [{', '.join([f'*{before}'] * 10)}]\n" for before in "abcde"
)
MANY_REGIONS = "".join(f"      us-west-{number}:\n" for number in range(51))
NETWORK = "{cidrs: 10.0.0.0/8, subnets: {subnet-00000001: {cidr: 10.0.0.0/8}}}"
MANY_INSTANCES = "\n".join(
    f"          i-{number:08x}: {{subnet: subnet-00000001, private_ip: 10.0.{number // 250}.{number % 250}}}"
    for number in range(501)
)
MANY_POLICIES = "".join(f"  p{number}: *p\n" for number in range(1501))


@pytest.mark.parametrize("change", changes(), ids=str)
def test_a_malformed_value_is_an_error_that_names_its_line_and_place(change: Change, pki: Pki) -> None:
    with pytest.raises(WorldError) as caught:
        built(change.text(), pki)
    assert str(caught.value) == change.whole_message()
    assert str(caught.value).isprintable()


def test_every_key_is_in_the_world_that_has_them_all() -> None:
    marker = "unknown key. Use one of: "
    known = [
        set(one.message.partition(marker)[2].rstrip(".").split(", ")) for one in changes() if marker in one.message
    ]
    assert len(known) >= 13  # the mappings with fixed keys, of which rules have two kinds
    missing = {key for keys in known for key in keys if not re.search(rf"(^|[\s-]){key}:", EVERY_KEY)}
    assert missing == set()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f"{NAME}: the file is empty. Describe at least one account."),
        (b"# nothing\n\n", f"{NAME}: the file is empty. Describe at least one account."),
        (b"[]", f"{NAME}:1: the file: invalid (a list). Use a mapping."),
        (b"world", f"{NAME}:1: the file: invalid ('world'). Use a mapping."),
        (b"{}", f"{NAME}:1: the file: accounts is missing. Describe at least one account."),
        (b"null", f"{NAME}:1: the file: accounts is missing. Describe at least one account."),
        (b"accounts:", f"{NAME}:1: the file: accounts is missing. Describe at least one account."),
        (b"accounts: {}", f"{NAME}:1: accounts: no account has a Region. Add regions: to an account."),
        (
            b"accounts: {'123456789012': {users: {alice: }}}",
            f"{NAME}:1: accounts: no account has a Region. Add regions: to an account.",
        ),
        (
            b"accounts:\n  - '123456789012'",
            f"{NAME}:1: accounts: invalid (a list). Use a mapping.",
        ),
        (b"a: 1\n---\nb: 1", f"{NAME}:2: not YAML (expected a single document in the stream: but found another"),
        (b"a: 1\nb: [1", f"{NAME}:2: not YAML (while parsing a flow sequence: expected ',' or ']', but got "),
        (b"a: 1\n b: 2", f"{NAME}:2: not YAML (mapping values are not allowed here). Correct the line."),
        (b"a: 'x\n", f"{NAME}:2: not YAML (while scanning a quoted scalar: found unexpected end of stream)."),
        (b"a: 1\nb: @x", f"{NAME}:2: not YAML (while scanning for the next token: found character '@' that cannot"),
        (b'a: 1\nb: "\\q"', f"{NAME}:2: not YAML (while scanning a double-quoted scalar: found unknown escape"),
        (b"a: 1\nb:\n\tc: 1", f"{NAME}:3: not YAML (while scanning for the next token: found character '\\t' that"),
        (b"%YAML 3.0\n---\na: 1", f"{NAME}:1: not YAML (found incompatible YAML document"),
        (b"a: 1\nb: *c", f"{NAME}:2: not YAML (found undefined alias 'c'). Correct the line."),
        (b"a: &x 1\nb: &x 2", f"{NAME}:2: not YAML (found duplicate anchor 'x'"),
        (b"a: 1\nb: &a [*a]", f"{NAME}:2: more than 40 levels, with aliases. Use fewer."),
        (b"a: &a {b: *a}", f"{NAME}:1: more than 40 levels, with aliases. Use fewer."),
        (b"a: &a {b: c}\nd: {<<: *a}", f"{NAME}:2: a merge key (<<). Write out what it stands for."),
        (b"a: 1\nb: !!python/object/apply:os.system [id]", f"{NAME}:2: a tag ('tag:yaml.org,2002:python/object/app"),
        (b"a: 1\nb: !!binary aGk=", f"{NAME}:2: a tag ('tag:yaml.org,2002:binary'). Remove it; put text in quotes."),
        (b"a: 1\nb: !secret x", f"{NAME}:2: a tag ('!secret'). Remove it; put text in quotes."),
        (b"a: 1\n!!str b: 1", f"{NAME}:2: a tag ('tag:yaml.org,2002:str'). Remove it; put text in quotes."),
        (b"a: 1\nb: \xff", f"{NAME}:2: not UTF-8 (byte 0xff). Save the file as UTF-8."),
        ("a: 1".encode("utf-16"), f"{NAME}:1: not UTF-8 (byte 0xff). Save the file as UTF-8."),
        (b"a: 1\nb: \x1b[31m", f"{NAME}:2: not YAML (the character U+001B is not allowed). Correct the line."),
        (b"a: 1\nb: \0", f"{NAME}:2: not YAML (the character U+0000 is not allowed). Correct the line."),
        (b'a: 1\nb: "\\UFFFFFFFF"', f"{NAME}:2: not YAML (an escape that is not a character, or a number too large)."),
        (b'a: 1\nb: "\\U00110000"', f"{NAME}:2: not YAML (an escape that is not a character, or a number too large)."),
        (b'a: 1\nb: "\\ud83d"', f"{NAME}:2: half of a surrogate pair. Write the character itself."),
        (b"a: " + b"[" * 50 + b"]" * 50, f"{NAME}:1: more than 40 levels. Use fewer."),
        (b"[" * 100_000, f"{NAME}:1: more than 40 levels. Use fewer."),
        (b"? " * 100_000, f"{NAME}:1: more than 40 levels. Use fewer."),
        (b"- a\n" * 60_000, f"{NAME}:50000: more than 50000 values. Use a smaller world."),
        (BOMB.encode(), "more than 50000 values, with aliases. Use a smaller world."),
        (b"# " * (MAX_FILE // 2) + b"\n", f"{NAME}: the file has over {MAX_FILE} bytes. Use a smaller one."),
        (b"{" + b"a" * 600 + b": 1}", f"{NAME}:1: the file: a key is not 1 to 512 printable characters ('aaaa"),
    ],
    ids=range(41),
)
def test_a_file_that_is_not_a_world_is_an_error_of_one_line(content: bytes, message: str, pki: Pki) -> None:
    with pytest.raises(WorldError) as caught:
        built(content.decode("utf-8", "surrogateescape"), pki) if b"\xff" not in content else parse(content, NAME)
    assert message in str(caught.value)
    assert str(caught.value).startswith(NAME)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"accounts:\n  '123456789012':\n    regions:\n{MANY_REGIONS}", "too many Regions. Use at most 50."),
        (
            "accounts:\n  '123456789012':\n    regions:\n      us-west-2:\n"
            f"        vpcs: {{vpc-00000001: {NETWORK}}}\n        instances:\n{MANY_INSTANCES}",
            f"{NAME}:507: accounts.123456789012.regions.us-west-2.instances.i-000001f4: too many instances. Use",
        ),
        (
            "policies:\n  p: &p {Statement: {Effect: Allow, Action: '*', Resource: '*'}}\n" + MANY_POLICIES,
            "too many policies. Use at most 1500.",
        ),
    ],
    ids=["Regions", "instances", "policies"],
)
def test_a_world_that_needs_too_much_is_an_error(content: str, message: str, pki: Pki) -> None:
    if "accounts" not in content:
        content += "accounts: {}\n"
    with pytest.raises(WorldError) as caught:
        built(content, pki)
    assert message in str(caught.value)


def test_a_message_lists_some_of_many_names(pki: Pki) -> None:
    statement = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    policies = {f"policy-{number}": statement for number in range(1000)}
    users = {"alice": {"policies": "other"}}
    world = {"policies": policies, "accounts": {"123456789012": {"users": users, "regions": {"us-west-2": {}}}}}
    with pytest.raises(WorldError, match=r"which has: policy-0, .*, policy-19, \.\.\.\.$"):
        built(json.dumps(world), pki)


def test_an_error_in_a_part_that_an_alias_repeats_is_reported_where_it_is(pki: Pki) -> None:
    world = (
        SMALL.replace("alice:", "alice: &alice") + "  '210987654321': {users: {bob: *alice}, regions: {us-west-2: }}"
    )
    with pytest.raises(WorldError) as caught:
        built(world, pki)
    problem = "the access key AKIAALICEEXAMPLE0000 is given twice. Use another id."
    place = "accounts.210987654321.users.bob.access_keys.AKIAALICEEXAMPLE0000"
    assert str(caught.value) == f"{NAME}:8: {place}: {problem}"
