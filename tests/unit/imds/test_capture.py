# SPDX-License-Identifier: Apache-2.0
"""What IMDS answers is kept, and given again in its place."""

from __future__ import annotations

import time
from typing import Dict, List, Optional

import pytest

from eic_sshd.imds.capture import Answer, RecordingImds, SavedImds
from eic_sshd.imds.client import Imds
from eic_sshd.imds.session import AnswerTooLong
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import NotGranted, Reason

INSTANCE = "i-0123456789abcdef0"
REFUSAL = NotGranted(Reason.IMDS_DISABLED, "403")


class Source(Imds):
    """Gives `bodies` by path, and 404 for other paths; raises where a body is an exception."""

    def __init__(self, bodies: Dict[str, object]) -> None:
        super().__init__("http://127.0.0.1:9", 1.0)
        self.bodies = bodies
        self.reads: List[str] = []
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def _get(self, path: str, limit: int, deadline: Deadline) -> Optional[bytes]:
        self.reads.append(path)
        body = self.bodies.get(path)
        if isinstance(body, Exception):
            raise body
        assert body is None or isinstance(body, bytes)
        return body


def deadline() -> Deadline:
    return Deadline.after(30, time.monotonic)


def test_each_answer_is_passed_on_and_kept_in_order() -> None:
    imds = RecordingImds(Source({"instance-id": INSTANCE.encode(), "managed-ssh-keys/signer-cert": REFUSAL}))
    assert imds.instance_id(deadline()) == INSTANCE
    assert imds.active_keys("root", deadline()) is None
    with pytest.raises(NotGranted) as caught:
        imds.signer_chain(deadline())
    assert caught.value is REFUSAL
    assert [(request.path, request.answer) for request in imds.requests] == [
        ("instance-id", Answer(INSTANCE.encode())),
        ("managed-ssh-keys/active-keys/root", Answer(None)),
        ("managed-ssh-keys/signer-cert", Answer(None, REFUSAL)),
    ]


def test_of_a_path_that_is_read_twice_the_last_answer_is_kept() -> None:
    source = Source({"instance-id": b"i-11111111"})
    imds = RecordingImds(source)
    imds.instance_id(deadline())
    source.bodies["instance-id"] = b"i-22222222"
    imds.instance_id(deadline())
    assert imds.answers == {"instance-id": Answer(b"i-22222222")}


def test_what_was_kept_is_repeated_and_only_the_rest_is_read() -> None:
    source = Source({"instance-id": INSTANCE.encode()})
    imds = RecordingImds(source)
    imds.instance_id(deadline())
    source.bodies["instance-id"] = b"i-22222222"
    imds.repeat()
    assert imds.instance_id(deadline()) == INSTANCE
    assert imds.active_keys("root", deadline()) is None
    assert source.reads == ["instance-id", "managed-ssh-keys/active-keys/root"]


def test_closing_closes_the_source() -> None:
    source = Source({})
    with RecordingImds(source):
        pass
    assert source.closed


def test_saved_answers_are_given_in_place_of_imds() -> None:
    imds = SavedImds({"instance-id": Answer(INSTANCE.encode()), "managed-ssh-keys/active-keys/root": Answer(None)})
    assert imds.instance_id(deadline()) == INSTANCE
    assert imds.active_keys("root", deadline()) is None


def test_saved_refusal_is_raised_again() -> None:
    with pytest.raises(NotGranted) as caught:
        SavedImds({"instance-id": Answer(None, REFUSAL)}).instance_id(deadline())
    assert caught.value is REFUSAL


def test_path_that_was_not_saved_is_an_error_of_imds() -> None:
    with pytest.raises(NotGranted, match="instance-id was not read when the answers were saved") as caught:
        SavedImds({}).instance_id(deadline())
    assert caught.value.reason is Reason.IMDS_ERROR


def test_saved_answer_has_the_limit_of_its_path() -> None:
    with pytest.raises(AnswerTooLong, match="longer than 1024 bytes"):
        SavedImds({"instance-id": Answer(b"i" * 1025)}).instance_id(deadline())
