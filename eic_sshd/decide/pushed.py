# SPDX-License-Identifier: Apache-2.0
"""Which of the blocks that IMDS lists for a user are to be judged: those with the key that sshd named."""

from __future__ import annotations

import itertools
from typing import Iterator, List, Optional

from ..model import signed_key
from ..model.public_key import has_fingerprint
from ..model.reasons import NotGranted, Reason
from ..model.signed_key import Block
from ..model.value import Value
from ..model.verdict import Verdict
from . import checks

# Blocks with the key that are judged; how many more there are is counted. IMDS's answer has room for about 900 with a
# signature, so that the pushes of one caller do not crowd out another's.
_MAX_JUDGED = 1024
_MAX_OTHERS = 256  # blocks with other keys that are looked at for the reason
# Further blocks that are counted: to count the tiniest ones that fit into an answer would take longer than to judge.
_MAX_COUNTED = 4096


class Pushed(Value):
    """The blocks to judge, the verdicts on malformed ones, and how many more blocks there are."""

    blocks: List[Block]
    malformed: List[Verdict]
    not_judged: int


def read(blob: bytes, fingerprint: Optional[str]) -> Pushed:
    """The blocks of `blob`, the answer of active-keys, that have the key with `fingerprint` (None: any key).

    Blocks with other keys are dropped and not counted, so that one caller's pushes do not crowd out another's. At least
    one block is to be judged.

    Raises:
        NotGranted: no-active-keys where there is no block, otherwise what is wrong with the blocks.
    """
    if not blob.strip():
        raise NotGranted(Reason.NO_ACTIVE_KEYS, "")
    if fingerprint is None:
        found = _parsed(signed_key.split(blob))
    else:
        found = _parsed(signed_key.carrying(blob, lambda key: has_fingerprint(key, fingerprint)))
    if found.blocks:
        return found
    if found.malformed:
        raise checks.most_specific(found.malformed, found.not_judged)
    raise _no_block_carries_it(blob)


def _parsed(texts: Iterator[bytes]) -> Pushed:
    blocks: List[Block] = []
    malformed: List[Verdict] = []
    for text in itertools.islice(texts, _MAX_JUDGED):
        try:
            blocks.append(signed_key.parse(text))
        except signed_key.MalformedBlock as problem:
            malformed.append(Verdict(None, Reason.BLOCK_MALFORMED, str(problem)))
    return Pushed(blocks, malformed, sum(1 for _ in itertools.islice(texts, _MAX_COUNTED)))


def _no_block_carries_it(blob: bytes) -> NotGranted:
    """Why no block of `blob` has the key: other keys are pushed, or one of the blocks or keys is malformed."""
    found = _parsed(itertools.islice(signed_key.split(blob), _MAX_OTHERS))  # to count the others would be slow
    verdicts = list(found.malformed)
    for block in found.blocks:
        try:
            checks.key_of(block)
            refusal = checks.other_key()
        except NotGranted as malformed:
            refusal = malformed
        verdicts.append(Verdict(block, refusal.reason, refusal.detail))
    return checks.most_specific(verdicts)
