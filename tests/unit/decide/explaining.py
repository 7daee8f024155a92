# SPDX-License-Identifier: Apache-2.0
"""Explanations of the decisions of a scene."""

from __future__ import annotations

from typing import Dict, Optional, Tuple

from eic_sshd.decide.explanation import BlockResult, Explanation, State, explain
from eic_sshd.imds.capture import RecordingImds
from eic_sshd.invocation import Invocation
from eic_sshd.model.verdict import Rule

from .scene import USER, Scene


def explained(scene: Scene, user: str = USER, fingerprint: Optional[str] = None) -> Explanation:
    authorizer = scene.authorizer()
    dependencies = authorizer._dependencies
    invocation = Invocation(user, fingerprint, begun=scene.monotonic(), tokens={"U": "1000"})
    return explain(authorizer._config, invocation, dependencies, RecordingImds(dependencies.imds))


def login_states(explanation: Explanation) -> Dict[Rule, State]:
    return {result.rule: result.state for result in explanation.rules}


def block_states(block: BlockResult) -> Dict[Rule, State]:
    return {result.rule: result.state for result in block.rules}


def only_block(explanation: Explanation) -> BlockResult:
    (block,) = explanation.blocks
    return block


def seen(results: Tuple[object, ...], rule: Rule) -> str:
    (text,) = [getattr(result, "seen") for result in results if getattr(result, "rule") is rule]  # noqa: B009
    return str(text)
