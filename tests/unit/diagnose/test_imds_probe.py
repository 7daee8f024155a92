# SPDX-License-Identifier: Apache-2.0
"""What is observed of any program that answers, or does not, at the address of IMDS."""

from __future__ import annotations

import os
import socket
from typing import Callable

import pytest

from eic_sshd.diagnose.imds_probe import Answer, Observation, connect_error, observe
from testbed.raw_http_server import response, serving

INSTANCE = b"i-0123456789abcdef0"
TOKEN = b"AQAEALsecret=="


def talk(token: bytes, instance: bytes = response(200, INSTANCE)) -> Callable[[socket.socket, bytes], None]:
    """Answers a PUT with `token`, and any other request with `instance`."""

    def answer(peer: socket.socket, head: bytes) -> None:
        peer.sendall(token if head.startswith(b"PUT") else instance)

    return answer


def seen(token: bytes, instance: bytes = response(200, INSTANCE)) -> Observation:
    with serving(talk(token, instance)) as endpoint:
        return observe(endpoint)._replace(endpoint="")


def test_header_fields_and_the_instance_id_are_observed_and_the_token_is_not_kept() -> None:
    found = seen(response(200, TOKEN, "Server: EC2ws", "Date: today", "Via: 1.1 x"))
    assert found == Observation(
        "", token=Answer(200, "EC2ws", "1.1 x", "today"), has_token=True, instance_id="i-0123456789abcdef0"
    )
    assert TOKEN.decode() not in repr(found)


def test_the_token_is_sent_for_the_instance_id() -> None:
    heads = []

    def answer(peer: socket.socket, head: bytes) -> None:
        heads.append(head)
        peer.sendall(response(200, TOKEN if head.startswith(b"PUT") else INSTANCE))

    with serving(answer) as endpoint:
        observe(endpoint)
    assert b"X-aws-ec2-metadata-token: " + TOKEN in heads[1]


@pytest.mark.parametrize(
    ("answer", "token"),
    [
        (response(403, b"off", "Server: EC2ws"), Answer(403, "EC2ws")),
        (response(200, b"<html> x", "Server: nginx"), Answer(200, "nginx")),
        (response(200, b""), Answer(200)),
        (response(200, b"t" * 1025), Answer(200)),
        (response(302, b"", "Location: http://127.0.0.1:1/"), Answer(302)),
    ],
)
def test_an_answer_that_is_no_token_is_observed_as_it_is(answer: bytes, token: Answer) -> None:
    assert seen(answer) == Observation("", token=token)


@pytest.mark.parametrize("body", [TOKEN + b"\n", b'{"token": "' + TOKEN + b'"}', b" " + TOKEN, TOKEN + b"\x00"])
def test_nothing_of_an_answer_with_a_token_in_it_is_kept(body: bytes) -> None:
    found = seen(response(200, body))
    assert not found.has_token
    assert "AQAE" not in repr(found)


def test_a_long_answer_is_cut_off() -> None:
    found = seen(response(500, b"x" * 1_000_000, f"Server: {'s' * 5000}"))
    assert found.token is not None
    assert len(found.token.server) == 200


@pytest.mark.parametrize("answer", [b"garbage\r\n\r\n", b"HTTP/x.1 200 OK\r\n\r\n", b""])
def test_an_answer_that_is_not_http_is_a_failure(answer: bytes) -> None:
    def end(peer: socket.socket, head: bytes) -> None:
        peer.sendall(answer)
        peer.shutdown(socket.SHUT_RDWR)

    with serving(end) as endpoint:
        found = observe(endpoint)
    assert found.failure != ""
    assert (found.token, found.silent) == (None, False)


def test_a_request_without_an_answer_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = observe("http://127.0.0.1:%d" % listener.getsockname()[1])
    assert (found.silent, found.refusal, found.token) == (True, "", None)


@pytest.mark.parametrize("answer", [response(404, INSTANCE), response(200, b"x"), response(200, b"<html>")])
def test_an_answer_that_is_no_instance_id_is_none(answer: bytes) -> None:
    assert seen(response(200, TOKEN), answer).instance_id == ""


def closed_port() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return "http://127.0.0.1:%d" % unused.getsockname()[1]


def test_a_refused_connection_is_observed() -> None:
    endpoint = closed_port()
    assert connect_error(endpoint) == os.strerror(111)
    assert observe(endpoint).refusal == os.strerror(111)


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, closed_port())
    assert seen(response(200, TOKEN)).instance_id == "i-0123456789abcdef0"
