# SPDX-License-Identifier: Apache-2.0
"""World files of the sandbox: text that may be YAML, changed worlds, and documents with the right keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, List

from hypothesis import strategies as st

from eic_sandbox.cloud import access
from eic_sandbox.cloud.principals import Principal
from eic_sandbox.pki.authority import Pki
from eic_sandbox.world.document import WorldError, parse
from eic_sandbox.world.world import build, warnings_of

_FOLDER = Path(__file__).parent.parent / "sandbox/world"
_WORLD = (_FOLDER / "every_key.yaml").read_text(encoding="utf-8")
# fmt: off
_NAMES = [
    "window", "endpoint_delay", "other_ports", "policies", "accounts", "123456789012", "users", "roles", "regions",
    "us-west-2", "vpcs", "subnets", "security_groups", "instances", "endpoints", "vpc-11111111", "cidrs", "cidr",
    "subnet-11111111", "subnet", "private_ip", "i-0123456789abcdef0", "eice-11111111", "sg-11111111", "ingress",
    "alice", "access_keys", "tags", "trust", "sessions", "file", "Statement", "Condition", "servers", "imds",
]
_SCALARS = [
    "10.0.0.0/16", "10.0.1.10", "fd00::/8", "::1", "127.0.0.1:22", "[::1]:22", "0", "-1", "22", "65536", "yes", "~",
    "readers.json", "..", "/dev/zero", "/", "arn:aws:iam::1:user/x", "${aws:username}", "2012-10-17", ".nan", "0x1f",
    "1e999", "9" * 400, "1_0", "01:02:03", "\u0661", "<<", "=", "\udc80", "\x1b[31m", "\u202e",
]
_PIECES = [
    ": ", "- ", "? ", "\n", "\n  ", "\n    ", "\t", "[", "]", "{", "}", ",", "&a ", "*a", "!!str ", "!x ", "!<", "#",
    "%YAML 1.1\n", "%TAG ! x\n", "---", "...", "|", ">", "|+2", "'", '"', "\\", "\\x", "\\UFFFFFFFF", "\\ud800",
    "@", "`", "\ufeff", "\0", "\x85", "\u2028", "\r", "a" * 1100,
]
# fmt: on


def contents() -> st.SearchStrategy[bytes]:
    """What may be in a world file."""
    words = st.sampled_from([*_NAMES, *_SCALARS, *_PIECES]) | st.text(max_size=5)
    text = st.lists(words, max_size=40).map("".join)
    lines = _WORLD.splitlines(keepends=True)
    spliced = st.tuples(st.integers(0, len(lines)), st.integers(0, 4), text).map(
        lambda one: "".join(lines[: one[0]]) + one[2] + "".join(lines[one[0] + one[1] :])
    )
    changed = st.tuples(st.integers(0, len(_WORLD)), st.integers(0, 8), text).map(
        lambda one: _WORLD[: one[0]] + one[2] + _WORLD[one[0] + one[1] :]
    )
    encoded = (text | spliced | changed | _documents()).map(lambda one: one.encode("utf-8", "surrogatepass"))
    return encoded | st.binary(max_size=200)


def _documents() -> st.SearchStrategy[str]:
    keys = st.sampled_from(_NAMES) | st.text(max_size=4)
    scalars: List[Any] = [None, True, 0, 1.5, *_SCALARS, *_NAMES]
    values: st.SearchStrategy[Any] = st.recursive(
        st.sampled_from(scalars) | st.text(max_size=4),
        lambda inner: st.dictionaries(keys, inner, max_size=4) | st.lists(inner, max_size=3),
        max_leaves=20,
    )
    regions = st.dictionaries(st.sampled_from(["us-west-2", "cn-north-1", "x"]), values, max_size=2)
    parts = {"users": values, "roles": values, "regions": regions | values}
    account = st.fixed_dictionaries({}, optional=parts)
    accounts = st.dictionaries(st.just("123456789012"), account)
    others = dict.fromkeys(("window", "policies", "other_ports", "endpoint_delay", "x"), values)
    world = st.fixed_dictionaries({"accounts": accounts}, optional=others)
    return world.map(json.dumps)


def build_world(content: bytes, pki: Pki) -> None:
    """Builds the world; nothing but WorldError is raised, with one printable line. Everyone in it can be judged."""
    try:
        cloud = build(parse(content, "world.yaml"), str(_FOLDER), lambda: 0.0, lambda region, domain: pki)
    except WorldError as error:
        lines = [str(error)]
    else:
        lines = warnings_of(cloud.directory)
        origin = access.Origin(0.0, "127.0.0.1", True, cloud.region_names[0])
        principals: List[Principal] = [*cloud.directory.users, *cloud.directory.sessions()]
        for principal in principals:
            access.decide(principal, access.request(principal, origin, "ec2:DescribeInstances", "*", {}))
    assert all(line.isprintable() and len(line) < 2000 for line in lines)
