# SPDX-License-Identifier: Apache-2.0
"""The parts of requests that hypothesis draws: what can be in an HTTP request, percent-encoded where it must be."""

from __future__ import annotations

import string

from hypothesis import strategies as st

UNRESERVED = string.ascii_letters + string.digits + "-._~"
ESCAPES = st.sampled_from(["%20", "%2F", "%2f", "%25", "%3D", "%26", "%C3%A9", "%00", "%2B"])

segments = st.lists(st.sampled_from(UNRESERVED) | ESCAPES | st.sampled_from("+!$'()*,:;@"), min_size=1, max_size=6).map(
    "".join
)
paths = st.lists(segments, max_size=4).map(lambda names: "/" + "/".join(names))
untidy_paths = st.lists(segments | st.sampled_from(["", ".", "..", "..."]), max_size=6).map(
    lambda names: "/" + "/".join(names)
)
words = st.lists(st.sampled_from(UNRESERVED) | ESCAPES | st.just("+"), max_size=6).map("".join)
pairs = st.one_of(words, st.tuples(words, words).map("=".join))
queries = st.lists(pairs, max_size=5).map("&".join)
values = st.text(st.sampled_from(string.printable[:95] + "\té€"), max_size=20)
names = st.sampled_from(["Content-Type", "X-Amz-Target", "X-Amz-Meta", "x-custom", "ACCEPT", "X_y"])
headers = st.lists(st.tuples(names, values), max_size=6)
tokens = st.none() | st.text(st.sampled_from(string.ascii_letters + string.digits + "+/="), min_size=1, max_size=80)
secrets = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def target(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path
