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
        "eic_sshd/decide/checks.py",
        "if block.instance != instance_id:",
        "if not instance_id.startswith(block.instance):",
        "the instance id is compared by prefix only",
    ),
    ByHand(
        "eic_sshd/decide/checks.py",
        "if block.instance != instance_id:",
        "if not block.instance.startswith(instance_id):",
        "the instance id is compared by prefix only, the other way round",
    ),
    ByHand(
        "eic_sshd/decide/authorizer.py",
        "        if deadline.remaining() <= 0:\n            raise",
        "        if deadline.remaining() <= -1000:\n            raise",
        "a late answer is handed out",
    ),
    ByHand(
        "eic_sshd/decide/authorizer.py",
        "fresh = tuple(one for one in grant.blocks if self._is_fresh(one.block))  # 6",
        "fresh = grant.blocks",
        "a remembered grant is not held to a clock set back",
    ),
    ByHand(
        "eic_sshd/decide/authorizer.py",
        "            anchor.signer.verify(block)  # 4\n",
        "",
        "whoever signed the block",
    ),
    ByHand(
        "eic_sshd/trust/openssl.py", '"-no-CApath", "-no-CAstore", ', "", "openssl also trusts what the system trusts"
    ),
    ByHand("eic_sshd/trust/openssl.py", "                env={},\n", "", "openssl is given our environment"),
    ByHand(
        "eic_sshd/trust/openssl.py",
        'self._require(path, options if self.private else [*options, "-x509_strict"])',
        "self._require(path, options)",
        "public chains are not held to the strict profile",
    ),
    ByHand(
        "eic_sshd/trust/openssl.py",
        '        if self.private:\n                command.append("-partial_chain")',
        '        if True:\n                command.append("-partial_chain")',
        "an intermediate passes for a root of the public PKI",
    ),
    ByHand(
        "eic_sshd/trust/openssl.py",
        'if finished.returncode != 0 or not finished.stdout.startswith("stdin: OK\\n"):',
        'if "OK" not in finished.stdout:',
        "OpenSSL's output is believed, whatever its status",
    ),
    ByHand(
        "eic_sshd/trust/path.py",
        "            openssl.require_server(path, name)\n            return path\n",
        "            if not refusals:\n                openssl.require_server(path, name)\n            return path\n",
        "a second path is not put to OpenSSL",
    ),
    ByHand(
        "eic_sshd/trust/profile.py",
        "MIN_RSA_BITS = 2048",
        "MIN_RSA_BITS = 1024",
        "the signer's key and its issuers' may be short",
    ),
    ByHand(
        "eic_sshd/trust/profile.py",
        "if alternatives is None or name not in names:",
        "if alternatives is None or not any(name.endswith(one[1:]) for one in names):",
        "a wildcard among the signer's names will do",
    ),
    ByHand(
        "eic_sshd/trust/ocsp.py",
        "            if not answer.may_be_revoked:\n                continue\n",
        "            if not answer.may_be_revoked:\n                return False\n",
        "one REVOKED among several answers does not count",
    ),
    ByHand(
        "eic_sshd/trust/ocsp.py",
        "        for answer in self._answers(certificate, issuer):\n",
        "        for answer in self._answers(certificate, issuer)[:1]:\n",
        "a REVOKED counts only if it comes first",
    ),
    ByHand(
        "eic_sshd/trust/ocsp_response.py",
        "itertools.islice(singles, MAX_ANSWERS + 1)",
        "itertools.islice(singles, 1)",
        "of a staple with several answers only the first is read",
    ),
    ByHand(
        "eic_sshd/daemon/server.py",
        "if connection.peer_uid(peer) not in self._allowed_uids:",
        "if connection.peer_uid(peer) < 0:",
        "everyone may ask at the socket",
    ),
    ByHand(
        "eic_sshd/daemon/connection.py",
        "if not status.st_mode & 0o077:",
        "if status.st_mode:",
        "the owner of a socket that others may write to may ask",
    ),
    ByHand(
        "eic_sshd/client.py",
        "if not may_answer(int.from_bytes(peer[4:8], sys.byteorder), posix.geteuid(), folder.st_uid):",
        "if not peer:",
        "every user may answer the client",
    ),
)
