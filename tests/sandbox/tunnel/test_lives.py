# SPDX-License-Identifier: Apache-2.0
"""How many tunnels an endpoint has, and what ends them and what does not."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Callable, List, Tuple

import aiohttp
import pytest

from eic_sandbox.cloud.machine import State
from testbed.tunnel import Refused

from ..fleet import ANSWER, GREETING, Fleet, run
from ..fleet_world import ENDPOINT, OTHER_ENDPOINT
from .handshake import code, request

TUNNEL = {"Effect": "Allow", "Action": "ec2-instance-connect:OpenTunnel", "Resource": "*"}
LIMIT = 20


async def _open_all(
    world: Fleet, stack: contextlib.AsyncExitStack, count: int
) -> List[aiohttp.ClientWebSocketResponse]:
    opened = [await stack.enter_async_context(world.connect(world.url())) for _ in range(count)]
    for one in opened:
        assert (await one.receive(timeout=ANSWER)).data == GREETING
    return opened


async def _until(condition: Callable[[], bool]) -> None:
    """Waits for what other threads do; a test that waits in vain fails."""

    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), ANSWER)


def test_the_twenty_first_tunnel_of_an_endpoint_is_refused_until_one_ends(world: Fleet) -> None:
    async def twenty_and_one() -> None:
        async with contextlib.AsyncExitStack() as stack:
            opened = await _open_all(world, stack, LIMIT)
            with pytest.raises(Refused) as refused:
                await stack.enter_async_context(world.connect(world.url()))
            assert code((refused.value.status, refused.value.body)) == (400, "ConnectionLimitExceeded")
            other = world.url(endpoint=OTHER_ENDPOINT, address="10.1.0.9")
            async with world.connect(other) as elsewhere:  # the limit of another endpoint is its own
                assert (await elsewhere.receive(timeout=ANSWER)).type is aiohttp.WSMsgType.CLOSE
            await opened[0].close()
            await _until(lambda: len(world.endpoint.tunnels) < LIMIT)
            await _open_all(world, stack, 1)
        await _until(lambda: not world.endpoint.tunnels)

    run(twenty_and_one())
    assert len(world.target.peers) == LIMIT + 1


def test_handshakes_at_the_same_time_do_not_pass_the_limit(world: Fleet) -> None:
    async def attempt(release: asyncio.Event) -> bool:
        try:
            async with world.connect(world.url()) as tunnel:
                await tunnel.receive(timeout=ANSWER)
                await release.wait()
                return True
        except Refused:
            return False

    async def all_at_once() -> List[bool]:
        release = asyncio.Event()
        attempts = [asyncio.ensure_future(attempt(release)) for _ in range(LIMIT + 10)]
        await _until(lambda: sum(event["eventName"] == "OpenTunnel" for event in world.events) == len(attempts))
        assert len(world.endpoint.tunnels) == LIMIT
        release.set()
        return list(await asyncio.gather(*attempts))

    assert sum(run(all_at_once())) == LIMIT


CHANGES: List[Tuple[str, Callable[[Fleet], object], Tuple[int, str]]] = [
    ("a policy that is detached", lambda world: world.sandbox.cloud.directory.detach("alice", "test"),
     (403, "AccessDeniedException")),
    ("a policy that denies", lambda world: world.attach("alice", {**TUNNEL, "Effect": "Deny"}, name="deny"),
     (403, "AccessDeniedException")),
    ("an endpoint that is deleted",
     lambda world: world.client("ec2").delete_instance_connect_endpoint(InstanceConnectEndpointId=ENDPOINT),
     (400, "IncorrectState")),
    ("an instance that is stopped", lambda world: setattr(world.instance().machine, "state", State.STOPPED),
     (1011, "Unable to connect to target")),
    ("a group that is removed", lambda world: setattr(world.instance().machine, "security_groups", ()),
     (1011, "Unable to connect to target")),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), [one[1:] for one in CHANGES], ids=[one[0] for one in CHANGES])
def test_an_open_tunnel_goes_on_after_a_change_that_refuses_new_ones(
    world: Fleet, change: Callable[[Fleet], object], expected: Tuple[int, str]
) -> None:
    world.attach("alice", TUNNEL)

    async def changed_meanwhile() -> None:
        url = world.url("alice")
        async with world.connect(url) as tunnel:
            assert (await tunnel.receive(timeout=ANSWER)).data == GREETING
            await asyncio.to_thread(change, world)
            status, body = await world._open(url, None)
            assert ((status, body) if status > 1000 else code((status, body))) == expected
            world.target.say(b"still here")
            assert (await tunnel.receive(timeout=ANSWER)).data == b"still here"

    run(changed_meanwhile())
    assert len(world.target.peers) == 1


def test_a_tunnel_outlives_the_session_that_opened_it(world: Fleet) -> None:
    role = world.sandbox.cloud.directory.find("Operators")
    world.attach("Operators", TUNNEL)
    world.client("sts").assume_role(RoleArn=role.arn, RoleSessionName="s1", DurationSeconds=900)

    async def expired_meanwhile() -> None:
        async with world.connect(world.url("Operators/s1")) as tunnel:
            assert (await tunnel.receive(timeout=ANSWER)).data == GREETING
            world.clock.ahead = 905
            assert (await world._open(world.url("Operators/s1"), None))[0] == 403
            world.target.say(b"still here")
            assert (await tunnel.receive(timeout=ANSWER)).data == b"still here"

    run(expired_meanwhile())


def test_the_cut_at_the_maximum_duration_has_its_reason(world: Fleet) -> None:
    async def cut() -> Tuple[int, str]:
        async with world.connect(world.url(max_duration=1)) as tunnel:
            assert (await tunnel.receive(timeout=ANSWER)).data == GREETING
            message = await tunnel.receive(timeout=ANSWER)
            return message.data, message.extra or ""

    assert run(cut()) == (1001, "The tunnel reached its maximum duration")


def test_a_client_that_leaves_while_its_target_is_connected_leaves_no_tunnel(world: Fleet) -> None:
    assert request(world, world.url())[0] == 101  # and the connection is aborted

    async def gone() -> None:
        await _until(
            lambda: not world.endpoint.tunnels and any(one["eventName"] == "OpenTunnel" for one in world.events)
        )

    run(gone())
    assert world.target.ended(len(world.target.peers))
