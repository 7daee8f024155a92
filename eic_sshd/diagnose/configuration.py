# SPDX-License-Identifier: Apache-2.0
"""Whether what our configuration names can be used."""

from __future__ import annotations

import os
from typing import Iterator

from ..config.schema import Config
from ..model import partition
from ..model.decision import NotGranted
from ..trust import roots


def problems(config: Config) -> Iterator[str]:
    """What is wrong with the files that the configuration names."""
    roots_for = roots.configured(config.trust)
    for domain in dict.fromkeys(map(partition.domain_of, config.instance.region or ("us-east-1",))):
        try:
            roots_for(domain)
        except NotGranted as problem:
            yield problem.detail
    keys_file, when = config.fallback
    if keys_file is None and when != "never":
        yield f"[fallback] when = {when} does nothing without keys_file"
    for name, path in (("[fallback] keys_file", keys_file), ("[log] destination", config.log.destination)):
        folder = os.path.dirname(path or "")
        if folder and "%u" not in folder and not os.path.isdir(folder):
            yield f"{name}: there is no folder {folder}: make it, or name another"
    if config.imds.request_timeout > config.decision_deadline:
        kept = ", less what is kept for [chain] command" if config.chain.command else ""
        yield (
            f"[imds] request_timeout = {config.imds.request_timeout:g} is longer than a decision may take "
            f"({config.decision_deadline:g} s: deadline{kept}): lower it, or raise deadline"
        )
