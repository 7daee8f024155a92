# SPDX-License-Identifier: Apache-2.0
"""Whether our configuration can be used: the files and folders that it names, and settings that contradict others."""

from __future__ import annotations

import os
from typing import Iterator

from ..config.schema import Config
from ..host import packages
from ..model import partition
from ..model.reasons import NotGranted, Reason
from ..trust import roots
from . import policies
from .clock import PUSH_VALIDITY
from .finding import Finding, error, warning


def problems(config: Config, *, is_of_this_machine: bool = True) -> Iterator[Finding]:
    """What is wrong with settings of which each is valid by itself, and what is dangerous in [policy].

    Groups are looked up only if the configuration `is_of_this_machine`.
    """
    yield from policies.problems(config, None if is_of_this_machine else lambda _: True)
    roots_for = roots.configured(config.trust)
    for domain in dict.fromkeys(map(partition.domain_of, config.instance.region or ("us-east-1",))):
        try:
            roots_for(domain)
        except NotGranted as problem:
            is_lost = problem.reason is Reason.SIGNER_UNTRUSTED and "cannot be read" not in problem.detail
            remedy = f"Run `{packages.renew_roots()}`" if is_lost else ""
            yield error("roots-unusable", "[trust] roots", problem.detail.rstrip("."), remedy)
    longest = config.keys.window + config.keys.clock_skew
    if longest < PUSH_VALIDITY:
        yield warning(
            "window-too-short",
            "[keys] window",
            f"with clock_skew it is {longest} s, and a push makes a key valid for {PUSH_VALIDITY} s, so a key is "
            f"refused for the first {PUSH_VALIDITY - longest} s",
            "Raise one of them",
        )
    keys_file, when = config.fallback.keys_file, config.fallback.when
    if keys_file is None and when != "never":
        remedy = "Set [fallback] keys_file, or set when = never"
        yield error("fallback-without-file", "[fallback] when", f"{when} has no effect without keys_file", remedy)
    for name, path in (("[fallback] keys_file", keys_file), ("[log] destination", config.log.destination)):
        folder = os.path.dirname(path or "")
        if folder and "%u" not in folder and not os.path.isdir(folder):
            yield error("folder-missing", name, f"there is no folder {folder}", "Make it, or name another")
    if config.imds.request_timeout > config.decision_deadline:
        reserved = ", less the time reserved for [chain] command" if config.chain.command else ""
        yield error(
            "timeout-beyond-deadline",
            "[imds] request_timeout",
            f"{config.imds.request_timeout:g} s is longer than a decision may take ({config.decision_deadline:g} s: "
            f"deadline{reserved})",
            "Lower it, or raise [imds] deadline",
        )
