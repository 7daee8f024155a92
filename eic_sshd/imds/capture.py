# SPDX-License-Identifier: Apache-2.0
"""Clients of IMDS that keep what it answers, and that give what was kept in place of IMDS.

They hold the bodies of the paths that `client` reads, and nothing else: the token is never part of them.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional

from ..model.deadline import Deadline
from ..model.reasons import NotGranted, Reason
from ..model.value import Value
from .client import Imds
from .session import AnswerTooLong

# The clients here send no request of their own: the discard port (RFC 863) of this machine.
_NOWHERE = "http://127.0.0.1:9"


class Answer(Value):
    """What IMDS gave for a path: a body; None for 404; or the refusal that the request led to."""

    body: Optional[bytes]
    refusal: Optional[NotGranted] = None

    def give(self, path: str, limit: int) -> Optional[bytes]:
        """The body, within `limit` bytes as if it came from IMDS now. Raises NotGranted."""
        if self.refusal is not None:
            raise self.refusal
        if self.body is not None and len(self.body) > limit:
            raise AnswerTooLong(Reason.IMDS_ERROR, f"the answer to {path} is longer than {limit} bytes")
        return self.body


class Request(Value):
    """One read of IMDS: its path, its answer, when it began (by the deadline's clock), and the seconds that it took."""

    path: str
    answer: Answer
    begun: float
    seconds: float


class RecordingImds(Imds):
    """Reads from `source`, and keeps each answer; `requests` has them in order."""

    def __init__(self, source: Imds) -> None:
        super().__init__(_NOWHERE, 1.0)
        self.requests: List[Request] = []
        self._source = source
        self._repeats = False

    @property
    def answers(self) -> Dict[str, Answer]:
        """The last answer for each path."""
        return {request.path: request.answer for request in self.requests}

    def repeat(self) -> None:
        """From now on, give what was kept; read from IMDS only what was not read before."""
        self._repeats = True

    def close(self) -> None:
        """Close the connection of the source."""
        self._source.close()

    def _get(self, path: str, limit: int, deadline: Deadline) -> Optional[bytes]:
        kept = self.answers.get(path) if self._repeats else None
        if kept is not None:
            return kept.give(path, limit)
        begun = deadline.clock()
        try:
            answer = Answer(self._source._get(path, limit, deadline))
        except NotGranted as refusal:
            answer = Answer(None, refusal)
        self.requests.append(Request(path, answer, begun, deadline.clock() - begun))
        return answer.give(path, limit)


class SavedImds(Imds):
    """Gives `answers`, which were kept, in place of an IMDS."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        super().__init__(_NOWHERE, 1.0)
        self._answers = answers

    def _get(self, path: str, limit: int, deadline: Deadline) -> Optional[bytes]:  # noqa: ARG002 - it never waits
        answer = self._answers.get(path)
        if answer is None:
            raise NotGranted(Reason.IMDS_ERROR, f"{path} was not read when the answers were saved")
        return answer.give(path, limit)
