# SPDX-License-Identifier: Apache-2.0
"""Whether the signer of pushed keys, as IMDS has it now, is verified: its name, chain, staples and this instance."""

from __future__ import annotations

import datetime
from typing import Callable, Iterator

from ..config.schema import Config
from ..decide.cache import Cache
from ..decide.dependencies import Dependencies
from ..decide.signer_source import Anchor, SignerSource
from ..host import packages
from ..model.deadline import Deadline
from ..model.outcome import Outcome
from ..model.reasons import NotGranted, Reason
from .finding import Finding, error, ok

_TIMEOUT = 5.0  # seconds: a login has less, so that what is only slow is found out here
_SUBJECT = "the signer of pushed keys"


def findings(config: Config, dependencies: Dependencies, now: Callable[[], float]) -> Iterator[Finding]:
    """What a decision would refuse before it looks at a key; one finding OK if it would refuse nothing."""
    try:
        anchor = read(config, dependencies)
    except NotGranted as refusal:
        yield of_refusal(refusal)
        return
    hours = (anchor.signer.valid_until - now()) / 3600
    until = datetime.datetime.fromtimestamp(anchor.signer.valid_until, datetime.timezone.utc)
    yield ok("signer-verified", _SUBJECT, f"verified, until {until:%Y-%m-%d %H:%M} UTC ({hours:.0f} h)")


def read(config: Config, dependencies: Dependencies) -> Anchor:
    """The verified signer, read from IMDS and not from a cache. Raises NotGranted."""
    dependencies.hardware.require_ec2()
    source = SignerSource(config, dependencies, Cache(), lambda _: None)
    deadline = Deadline.after(_TIMEOUT, dependencies.monotonic)
    return source.judge(lambda read_anchor: read_anchor(deadline))


def of_refusal(refusal: NotGranted) -> Finding:
    """The finding of a refusal: its code is the reason, its remedy the one of docs/reasons.md."""
    reason = refusal.reason
    subject = "IMDS" if reason.outcome is Outcome.ERROR else _SUBJECT
    return error(reason.word, subject, refusal.detail.rstrip("."), _remedy(reason))


def _remedy(reason: Reason) -> str:
    if reason is Reason.OPENSSL_MISSING:
        return f"Run `{packages.install('openssl')}`"
    return reason.remedy.rstrip(".")
