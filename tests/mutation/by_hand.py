# SPDX-License-Identifier: Apache-2.0
"""Mutants that no rule makes, or that must never be without a test: faults that an attacker would want."""

from __future__ import annotations

from typing import NamedTuple, Tuple


class ByHand(NamedTuple):
    """In `module`, `old` (which is there once) becomes `new`; `why` says what that lets in."""

    module: str
    old: str
    new: str
    why: str


BY_HAND: Tuple[ByHand, ...] = (
    ByHand(
        "eic_sshd/checks.py",
        "if block.instance != instance_id:",
        "if not instance_id.startswith(block.instance):",
        "the instance id is compared by prefix only",
    ),
    ByHand(
        "eic_sshd/checks.py",
        "if block.instance != instance_id:",
        "if not block.instance.startswith(instance_id):",
        "the instance id is compared by prefix only, the other way round",
    ),
    ByHand(
        "eic_sshd/authorizer.py",
        "        if deadline.remaining() <= 0:\n            raise",
        "        if deadline.remaining() <= -1000:\n            raise",
        "a late answer is handed out",
    ),
    ByHand(
        "eic_sshd/authorizer.py",
        "checks.require_fresh(grant.block, now, self._config.keys)",
        "checks.require_fresh(grant.block, grant.block.timestamp - 1, self._config.keys)",
        "a remembered grant is not held to a clock set back",
    ),
    ByHand(
        "eic_sshd/chain.py",
        '"-no-CApath", "-no-CAstore", ',
        "",
        "openssl also trusts what the system trusts",
    ),
    ByHand("eic_sshd/chain.py", "            env={},\n", "", "openssl is given our environment"),
    ByHand(
        "eic_sshd/chain.py",
        "if len(paths) > 1 and not _is_path(path, anchors, roots.private, now, deadline):",
        "if not path:",
        "a candidate path is not put to OpenSSL",
    ),
    ByHand("eic_sshd/signer.py", "_MIN_SIGNER_BITS = 2048", "_MIN_SIGNER_BITS = 1024", "the signer's key may be short"),
    ByHand(
        "eic_sshd/staple.py",
        "if any(status.revoked for status in statuses):",
        "if all(status.revoked for status in statuses) and statuses:",
        "one REVOKED among several answers in one staple does not count",
    ),
    ByHand("eic_sshd/service.py", "if uid not in self._trusted:", "if uid < 0:", "everyone may ask at the socket"),
    ByHand(
        "eic_sshd/service.py",
        "if not status.st_mode & 0o077:",
        "if status.st_mode:",
        "the owner of a socket that others may write to may ask",
    ),
    ByHand(
        "eic_sshd/authorized_keys.py",
        "if int.from_bytes(peer[4:8], sys.byteorder) not in (0, posix.geteuid(), folder.st_uid):",
        "if not peer:",
        "everyone may answer the front door",
    ),
)
