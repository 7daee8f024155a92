# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time
from typing import Optional

import pytest

from eic_sandbox.pki.authority import Pki
from eic_sshd.decide import cache as memory_module
from eic_sshd.decide.cache import Cache, Grant, GrantedBlock
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.public_key import parse
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.model.signed_key import Block
from eic_sshd.trust.signer import Signer
from testbed import keys

NOW = 1_000_000.0


def block(signed: bytes = b"signed") -> Block:
    return Block(int(NOW) + 10, "i-0", None, None, b"", signed, b"")


def store(cache: Cache, user: str, *ends: float, monotonic: float = 0.0, signed: bytes = b"signed") -> Grant:
    """Store a grant of a new key whose blocks end at `ends`."""
    key = parse(keys.ed25519_line().encode())
    blocks = [block(signed + str(end).encode()) for end in ends]
    granted = [GrantedBlock(one, cache.block_end(one, 0.0, end)) for one, end in zip(blocks, ends)]
    grant = Grant(key, tuple(granted), "i-0")
    cache.store_grant(user, key.fingerprint, grant, monotonic)
    return grant


def lookup(cache: Cache, user: str, grant: Grant, monotonic: float) -> Optional[Grant]:
    return cache.grant(user, grant.key.fingerprint, monotonic)


def test_grant_is_cached_for_its_user_and_fingerprint_until_its_block_ends() -> None:
    cache = Cache()
    one, other = store(cache, "root", 10.0), store(Cache(), "root", 10.0)
    assert lookup(cache, "root", one, 9.9) == one
    assert lookup(cache, "root", one, 10.0) is None
    assert lookup(cache, "other", one, 0.0) is None
    assert lookup(cache, "root", other, 0.0) is None


def test_cached_grant_has_only_blocks_that_have_not_ended() -> None:
    cache = Cache()
    grant = store(cache, "root", 10.0, 20.0, 30.0)
    found = lookup(cache, "root", grant, 10.0)
    assert found is not None
    assert found.blocks == grant.blocks[1:]


def test_end_of_a_block_is_that_of_its_first_sight() -> None:
    cache = Cache()
    assert cache.block_end(block(), 100.0, 60.0) == 160.0
    assert cache.block_end(block(), 150.0, 119.0) == 160.0
    assert cache.block_end(block(), 5000.0, 60.0) == 160.0
    assert cache.block_end(block(b"another"), 5000.0, 60.0) == 5060.0


def test_block_is_identified_by_its_signed_bytes_without_the_signature() -> None:
    cache = Cache()
    cache.block_end(block(), 100.0, 60.0)
    assert cache.block_end(block()._replace(signature=b"another"), 200.0, 60.0) == 160.0


def test_block_is_granted_but_not_cached_when_the_cache_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "_MAX_BLOCKS", 2)
    cache = Cache()
    kept = store(cache, "root", 10.0)
    store(cache, "root", 10.0, signed=b"second")
    late = store(cache, "root", 10.0, signed=b"third")
    assert late.blocks[0].until == 10.0
    assert lookup(cache, "root", late, 0.0) is None
    assert cache.block_end(late.blocks[0].block, 50.0, 10.0) == 60.0
    assert lookup(cache, "root", kept, 0.0) == kept
    assert cache.block_end(kept.blocks[0].block, 50.0, 10.0) == 10.0


def test_grant_with_an_uncached_block_is_not_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "_MAX_BLOCKS", 1)
    cache = Cache()
    grant = store(cache, "root", 10.0, 20.0)
    assert lookup(cache, "root", grant, 0.0) is None


def test_cache_keeps_thousands_of_blocks_within_its_bound() -> None:
    cache = Cache()
    for number in range(10_000):
        cache.block_end(block(str(number).encode()), 0.0, 60.0)
    assert len(cache._ends) == memory_module._MAX_BLOCKS == 8192


def test_ended_grants_are_dropped_and_the_cache_stays_bounded() -> None:
    cache = Cache()
    grants = [store(cache, f"user{number}", 10.0) for number in range(5)]
    for number in range(memory_module._MAX_GRANTS):
        cache.store_grant(f"many{number}", "SHA256:x", grants[0], 0.0)
    assert len(cache._grants) == memory_module._MAX_GRANTS == 1024
    assert lookup(cache, "user4", grants[4], 0.0) == grants[4]
    assert cache.grant("many1023", "SHA256:x", 0.0) is None
    late = store(cache, "late", 99.0, monotonic=20.0)
    assert lookup(cache, "late", late, 20.0) == late
    assert len(cache._grants) == 1


def signer(pki: Pki, valid_until: float) -> Signer:
    return Signer(pki.signer.key.public_key(), int(valid_until))


@pytest.mark.parametrize(("valid_for", "holds_for"), [(100, 100), (7200, 3600)])
def test_signer_is_cached_for_an_hour_or_until_its_certificates_and_staples_end(
    pki: Pki, valid_for: int, holds_for: int
) -> None:
    cache, one = Cache(), signer(pki, NOW + valid_for)
    cache.store_signer(b"chain", one, NOW, 0.0)
    assert cache.signer(NOW, 0.0) is one
    assert cache.signer(NOW + holds_for - 1, 0.0) is one
    assert cache.signer(NOW + holds_for - 1, 0.0, b"chain") is one
    assert cache.signer(NOW + holds_for, 0.0) is None


def test_cached_signer_is_identified_by_the_bytes_of_its_chain(pki: Pki) -> None:
    cache = Cache()
    cache.store_signer(b"chain", signer(pki, 2**40), NOW, 0.0)
    assert cache.signer(NOW, 0.0, b"chain\n") is None


def test_signer_is_not_cached_longer_after_the_clock_is_set_back(pki: Pki) -> None:
    cache = Cache()
    cache.store_signer(b"chain", signer(pki, 2**40), NOW, 0.0)
    assert cache.signer(NOW - 86400, 0.0) is None


def test_signer_is_not_cached_longer_while_the_clock_stands_still(pki: Pki) -> None:
    cache, one = Cache(), signer(pki, 2**40)
    cache.store_signer(b"chain", one, NOW, 500.0)
    assert cache.signer(NOW + 1, 500.0 + 3599) is one
    assert cache.signer(NOW + 1, 500.0 + 3600) is None


def test_one_thread_verifies_the_signer_and_no_thread_waits_beyond_its_deadline() -> None:
    cache = Cache()
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with cache.signer_lock(Deadline.after(60, time.monotonic)):
            entered.set()
            leave.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(60)
    with pytest.raises(NotGranted) as caught, cache.signer_lock(Deadline.after(0.05, time.monotonic)):
        pass
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    with pytest.raises(NotGranted), cache.signer_lock(Deadline.after(-1, time.monotonic)):
        pass
    leave.set()
    holder.join()
    with cache.signer_lock(Deadline.after(60, time.monotonic)):
        pass


def test_reload_drops_keys_and_signer_but_keeps_the_ends_of_blocks(pki: Pki) -> None:
    before = Cache()
    grant = store(before, "root", 10.0)
    before.store_signer(b"chain", signer(pki, 2**40), NOW, 0.0)
    after = Cache(before)
    assert lookup(after, "root", grant, 0.0) is None
    assert after.signer(NOW, 0.0) is None
    assert after.block_end(grant.blocks[0].block, 50.0, 60.0) == 10.0
