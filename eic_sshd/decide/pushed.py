# SPDX-License-Identifier: Apache-2.0
"""Which of the blocks that IMDS lists for a user are worth verifying: those with the key that sshd asks for."""

from __future__ import annotations

import itertools
from typing import Iterator, List, NamedTuple, Optional

from ..model import signed_key
from ..model.public_key import has_fingerprint
from ..model.reasons import NotGranted, Reason
from ..model.signed_key import Block
from . import checks

# Blocks of one answer that are judged; how many more there are is counted.
_MAX_JUDGED = 256
# Those more that are counted: to count the tiniest that fit into an answer would take longer than to judge.
_MAX_COUNTED = 4096


class Pushed(NamedTuple):
    """Blocks to verify, one at least; the refusals of others; and how many more blocks there are."""

    blocks: List[Block]
    refusals: checks.Refusals
    not_judged: int


def read(blob: bytes, fingerprint: Optional[str]) -> Pushed:
    """What `blob`, the answer of active-keys, holds for the key with `fingerprint`; None: for any key.

    Blocks with other keys are dropped and not counted, so that the pushes of one caller keep no other caller out.

    Raises:
        NotGranted: no-active-keys where there is no block, otherwise what is wrong with the blocks that there are.
    """
    if not blob.strip():
        raise NotGranted(Reason.NO_ACTIVE_KEYS, "")
    if fingerprint is None:
        found = _parsed(signed_key.split(blob))
    else:
        found = _parsed(signed_key.carrying(blob, lambda key: has_fingerprint(key, fingerprint)))
    if found.blocks:
        return found
    if found.refusals.count:
        raise found.refusals.most_specific(found.not_judged)
    raise _no_block_carries_it(blob)


def _parsed(texts: Iterator[bytes]) -> Pushed:
    blocks, refusals = [], checks.Refusals()
    for text in itertools.islice(texts, _MAX_JUDGED):
        try:
            blocks.append(signed_key.parse(text))
        except signed_key.MalformedBlock as problem:
            refusals.add(NotGranted(Reason.BLOCK_MALFORMED, str(problem)))
    return Pushed(blocks, refusals, sum(1 for _ in itertools.islice(texts, _MAX_COUNTED)))


def _no_block_carries_it(blob: bytes) -> NotGranted:
    """Why no block of `blob` carries the key: other keys are pushed, or one of the blocks or keys is malformed."""
    found = _parsed(itertools.islice(signed_key.split(blob), _MAX_JUDGED))  # to count the others would be slow
    for block in found.blocks:
        try:
            checks.key_of(block)
            found.refusals.add(checks.other_key())
        except NotGranted as refusal:
            found.refusals.add(refusal)
    return found.refusals.most_specific()
