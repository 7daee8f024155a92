# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd explain` against an IMDS in memory."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import ContextManager, Optional

import pytest

from eic_sshd.cli import _explain_caller, _explain_run, build_parser, explain
from eic_sshd.decide.dependencies import Dependencies
from eic_sshd.paths import CLIENT_COMMAND

from ..decide.scene import Scene


class Explain:
    """The subcommand with the dependencies of `scene`, and what it printed."""

    def __init__(
        self, scene: Scene, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.scene = scene
        self.sshd_command: Optional[str] = f"{CLIENT_COMMAND} --token U=%U %u %f"
        self.config = folder / "eic-sshd.conf"
        self.configure("")
        self._capsys = capsys
        answer = _explain_run.answer

        def answered(question: _explain_run.Question, deciding: ContextManager[None]) -> _explain_run.Answer:
            return answer(question, deciding, lambda config: self.dependencies(), lambda: self.sshd_command)

        answer_caller = _explain_caller.answer

        def caller_answered(
            caller: str, user: str, config: Optional[str], deciding: ContextManager[None]
        ) -> _explain_caller.CallerReport:
            return answer_caller(caller, user, config, deciding, lambda: self.sshd_command)

        monkeypatch.setattr(_explain_run, "answer", answered)
        monkeypatch.setattr(_explain_caller, "answer", caller_answered)

    def configure(self, text: str) -> None:
        self.config.write_text("[imds]\ndeadline = 30\n[instance]\nrequire_ec2_hardware = no\n" + text)

    def dependencies(self) -> Dependencies:
        return self.scene.authorizer()._dependencies

    def run(self, *words: str, status: int = 0) -> str:
        """What it printed to standard output, or for another status than 0 to standard error."""
        arguments = self.arguments("--config", str(self.config), *words)
        assert explain.explain(arguments) == status
        printed = self._capsys.readouterr()
        assert (printed.err == "") == (status == 0)
        return printed.err if status else printed.out

    @staticmethod
    def arguments(*words: str) -> argparse.Namespace:
        return build_parser(["explain"]).parse_args(["explain", *words])


def after(text: str, title: str) -> Optional[str]:
    """The line that follows the line `title`."""
    lines = text.splitlines()
    return lines[lines.index(title) + 1] if title in lines else None
