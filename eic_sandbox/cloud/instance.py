# SPDX-License-Identifier: Apache-2.0
"""The sandbox's one instance: its facts, the keys pushed to it, and what IMDS says of both, faults included."""

from __future__ import annotations

import base64
import hashlib
import textwrap
import time
import uuid
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Tuple

from ..faults import Faults
from ..pki.authority import Identity, Pki, StapleKind, issue_server, staple, utcnow

_STAPLE_FAULTS = {
    "revoked": StapleKind.REVOKED,
    "unknown-staples": StapleKind.UNKNOWN,
    "stale-staples": StapleKind.STALE,
    "early-staples": StapleKind.EARLY,
    "endless-staples": StapleKind.ENDLESS,
    "foreign-staples": StapleKind.FOREIGN,
    "undelegated-staples": StapleKind.UNDELEGATED,
    "delegated-staples": StapleKind.DELEGATED,
    "refused-staples": StapleKind.REFUSED,
}


@dataclass(frozen=True)
class PushedKey:
    """`expires` is in seconds since the epoch."""

    line: str
    expires: int
    caller: str
    request_id: str


@dataclass(frozen=True)
class Facts:
    instance_id: str = "i-0123456789abcdef0"
    region: str = "us-west-2"
    zone: str = "us-west-2a"
    domain: str = "amazonaws.com"


class Instance:
    """One instance. `window` is how many seconds a pushed key stays valid."""

    def __init__(self, facts: Facts, pki: Pki, window: int = 60, clock: Callable[[], float] = time.time) -> None:
        self.facts = facts
        self.pki = pki
        self.window = window
        self.faults = Faults()
        self._clock = clock
        self._pushed: Dict[str, List[PushedKey]] = {}
        self._other_pki: Optional[Pki] = None
        self._odd_signers: Dict[str, Identity] = {}
        self._staples: Dict[Tuple[bytes, StapleKind], bytes] = {}
        self._signatures: Dict[Tuple[bytes, bytes], bytes] = {}

    def push(self, user: str, line: str, caller: str) -> str:
        """Push a key for an OS user; gives the request id."""
        request_id = str(uuid.uuid4())
        expires = int(self._clock()) + self.window
        self._pushed.setdefault(user, []).append(PushedKey(line.strip(), expires, caller, request_id))
        return request_id

    def forget_keys(self) -> None:
        """Take back every pushed key."""
        self._pushed.clear()
        self._signatures.clear()

    def rotate_signer(self) -> None:
        """A new signer, as AWS makes one every few days."""
        self.pki.rotate_signer()
        self._odd_signers.clear()

    def rotate_staples(self) -> None:
        """New staples for the same certificates."""
        self._staples.clear()

    # What IMDS says.

    def read(self, path: str) -> Optional[bytes]:
        """The body at a path below /latest/meta-data/ (no closing slash), or None for 404."""
        keys, staples = "managed-ssh-keys/active-keys/", "managed-ssh-keys/signer-ocsp/"
        if path.startswith(keys):
            return self._active_keys(path[len(keys) :])
        if path.startswith(staples):
            return self._named_staples().get(path[len(staples) :])
        text = self._facts().get(path)
        if text is not None:
            return text.encode()
        if path == "managed-ssh-keys/signer-cert":
            return self._signer_cert()
        if path == "managed-ssh-keys/signer-ocsp":
            return "\n".join(self._staple_names()).encode() or None
        return None

    def _facts(self) -> Dict[str, str]:
        facts = {
            "instance-id": self.facts.instance_id,
            "placement/region": self.facts.region,
            "placement/availability-zone": self.facts.zone,
            "services/domain": self.facts.domain,
        }
        if self.faults.has("unknown-domain"):
            facts["services/domain"] = "example.com"
        if self.faults.has("foreign-domain"):
            facts["services/domain"] = "amazonaws.com.cn" if self.facts.domain == "amazonaws.com" else "amazonaws.com"
        if self.faults.has("bad-instance-id"):
            facts["instance-id"] = "../../instance"
        if self.faults.has("no-region"):
            del facts["placement/region"]
        return facts

    # The signer.

    def _source(self) -> Tuple[Pki, Identity]:
        """The PKI and the signer in force, faults considered."""
        if self.faults.has("other-root"):
            if self._other_pki is None:
                many, key = len(self.pki.intermediates), self.pki.signer.key
                self._other_pki = Pki(self.facts.region, self.facts.domain, many, key)
            return self._other_pki, self._other_pki.signer
        if self.faults.has("wrong-signer-name"):
            return self.pki, self._odd_signer("wrong-signer-name", self.pki.misnamed_signer)
        if self.faults.has("unfit-signer"):
            return self.pki, self._odd_signer("unfit-signer", self.pki.unfit_signer)
        if self.faults.has("expired-signer"):
            return self.pki, self._odd_signer("expired-signer", self._expired_signer)
        return self.pki, self.pki.signer

    def _odd_signer(self, name: str, make: Callable[[], Identity]) -> Identity:
        if name not in self._odd_signers:
            self._odd_signers[name] = make()
        return self._odd_signers[name]

    def _expired_signer(self) -> Identity:
        from datetime import timedelta

        begin = utcnow() - timedelta(days=31)
        key = self.pki.signer.key
        return issue_server(self.pki.signer_name, key, self.pki.issuers()[0], not_before=begin)

    def _signer_cert(self) -> bytes:
        if self.faults.has("no-certificate"):
            return b"no certificate\n"
        pki, signer = self._source()
        return b"".join(one.pem for one in pki.chain(signer))

    def _staple(self, subject: Identity, issuer: Identity, kind: StapleKind) -> bytes:
        if (subject.der, kind) not in self._staples:
            self._staples[subject.der, kind] = staple(kind, subject, issuer)
        return self._staples[subject.der, kind]

    def _named_staples(self) -> Dict[str, bytes]:
        """The staples by name, base64 as IMDS gives them."""
        if self.faults.has("missing-staples"):
            return {}
        pki, signer = self._source()
        kind = next((kind for fault, kind in _STAPLE_FAULTS.items() if self.faults.has(fault)), StapleKind.GOOD)
        algorithm = "sha256" if self.faults.has("sha256-staple-names") else "sha1"
        named = {}
        for subject, issuer in zip(pki.chain(signer), pki.issuers()):
            if subject is signer and self.faults.has("missing-staple"):
                continue
            name = hashlib.new(algorithm, subject.der).hexdigest().upper()
            # Only the signer is revoked; otherwise all staples are of one kind.
            of_kind = StapleKind.GOOD if kind is StapleKind.REVOKED and subject is not signer else kind
            text = base64.b64encode(self._staple(subject, issuer, of_kind))
            named[name] = b"%%%" if self.faults.has("garbage-staples") else text + b"\n"
            if subject is signer and self.faults.has("revoked-long-ago"):
                revoked = self._staple(subject, issuer, StapleKind.REVOKED_LONG_AGO)
                named[hashlib.new(algorithm, revoked).hexdigest().upper()] = base64.b64encode(revoked) + b"\n"
        return named

    def _staple_names(self) -> List[str]:
        hostile = ["../../../../latest/user-data", "..", "a/b", "%2e%2e", "x" * 200]
        return (hostile if self.faults.has("hostile-staple-names") else []) + list(self._named_staples())

    # The keys.

    def _active_keys(self, user: str) -> Optional[bytes]:
        now = self._clock()
        keys = self._pushed[user] = [key for key in self._pushed.get(user, []) if key.expires > now]
        blocks = [block for key in keys for block in self._blocks(key)]
        return b"\n".join(blocks) if blocks else None

    def _blocks(self, key: PushedKey) -> List[bytes]:
        if not self.faults.has("mixed-blocks"):
            return [self._block(key)]
        return (
            [self._block(key, fault) for fault in _MIXED[:5]]
            + [self._block(key, "")]
            + [self._block(key, fault) for fault in _MIXED[5:]]
        )

    def _signature(self, signed: bytes) -> bytes:
        """Made once for the same bytes: signing is slow, and a storm of logins reads the same blocks."""
        signer = self._source()[1]
        if (signer.der, signed) not in self._signatures:
            self._signatures[signer.der, signed] = Pki.sign(signer, signed)
        return self._signatures[signer.der, signed]

    def _block(self, key: PushedKey, fault: Optional[str] = None) -> bytes:
        """The block of `key`; `fault` None means the faults that are set."""

        def wrong(name: str) -> bool:
            return self.faults.has(name) if fault is None else fault == name

        expires, instance, line = key.expires, self.facts.instance_id, key.line
        if wrong("past-timestamp"):
            expires = int(self._clock()) - 1
        if wrong("far-future-timestamp"):
            expires = 2147483647
        if wrong("other-instance"):
            instance = "i-0fedcba9876543210"
        if wrong("malformed-keys"):
            words = line.split()
            line = f"{words[0]} {words[1][: len(words[1]) // 8 * 4]}"
        headers = [] if wrong("malformed-blocks") else [f"#Timestamp={expires}"]
        headers += [f"#Instance={instance}", f"#Caller={key.caller}", f"#Request={key.request_id}"]
        if wrong("wrapped-signatures"):
            headers.append("#Later=a header of a later version")
        signed = "".join(f"{each}\n" for each in [*headers, line]).encode()
        signature = bytearray(self._signature(signed))
        if wrong("bad-signature"):
            signature[-1] ^= 1
        if wrong("no-signature"):
            return signed
        text = base64.b64encode(bytes(signature)).decode()
        lines = textwrap.wrap(text, 76) if wrong("wrapped-signatures") else [text]
        return signed + "".join(f"{each}\n" for each in lines).encode()


# The nine around a good block; `no-signature` is only ever one of these.
_MIXED = (
    "bad-signature", "other-instance", "past-timestamp", "far-future-timestamp", "malformed-blocks", "malformed-keys",
    "no-signature", "bad-signature", "other-instance",
)  # fmt: skip
