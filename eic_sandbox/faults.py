# SPDX-License-Identifier: Apache-2.0
"""What the sandbox can be made to do wrong while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional

IMDS_FAULTS: Dict[str, str] = {
    "hang": "take the request and answer nothing",
    "slow": "answer one byte a second, from the status line on",
    "error-500": "answer 500",
    "error-503": "answer 503",
    "unauthorized": "answer 401, whatever the token",
    "forbidden": "answer 403, as where IMDS is turned off",
    "redirect": "answer 302 to the same path",
    "drop": "close the connection without an answer",
    "truncate": "close the connection in the middle of the body",
    "garbage": "answer bytes without end that are no HTTP",
    "huge-body": "answer 200 and a body without end",
}
"""Faults of the connection to IMDS; they can be narrowed to paths."""

SIGNER_FAULTS: Dict[str, str] = {
    "wrong-signer-name": "a chain for managed-ssh-signer.us-east-2.example.com",
    "other-root": "a chain of the right names from another root",
    "unfit-signer": "a signer whose certificate is a TLS client's, for another host",
    "expired-signer": "a signer whose certificate has run out",
    "no-certificate": "text without a certificate for signer-cert",
    "revoked": "a staple that says revoked",
    "revoked-long-ago": "a stale staple that says revoked, beside a good one",
    "unknown-staples": "staples that say unknown",
    "stale-staples": "staples whose nextUpdate has passed",
    "early-staples": "staples whose thisUpdate is ten minutes ahead",
    "endless-staples": "staples without a nextUpdate",
    "foreign-staples": "staples by a responder that nobody delegated",
    "undelegated-staples": "staples by a certificate of the issuer's that is no responder",
    "delegated-staples": "good staples by the issuer's delegated responder",
    "refused-staples": "staples that are OCSP errors",
    "garbage-staples": "staples that are neither base64 nor DER",
    "missing-staples": "no staples at all",
    "missing-staple": "no staple for the signer",
    "sha256-staple-names": "good staples under SHA-256 names",
    "hostile-staple-names": "good staples behind names that climb out of the folder",
}
"""Faults of the signer and its staples."""

BLOCK_FAULTS: Dict[str, str] = {
    "bad-signature": "signatures with a bit turned",
    "other-instance": "blocks signed for another instance",
    "past-timestamp": "blocks whose Timestamp has passed",
    "far-future-timestamp": "blocks whose Timestamp lies in 2038",
    "malformed-blocks": "blocks without a Timestamp",
    "malformed-keys": "signed blocks whose key is cut short",
    "wrapped-signatures": "good blocks with signatures of several lines and a header nobody knows",
    "mixed-blocks": "nine bad blocks around each good one",
}
"""Faults of the pushed keys."""

FACT_FAULTS: Dict[str, str] = {
    "unknown-domain": "services/domain is none of AWS's",
    "foreign-domain": "services/domain is another partition's",
    "no-region": "no placement/region, as an older IMDS",
    "bad-instance-id": "an instance-id that is none",
}
"""Faults of the instance's facts."""

API_FAULTS: Dict[str, str] = {
    "api-auth": "AuthException",
    "api-throttling": "ThrottlingException",
    "api-service": "ServiceException",
    "api-instance-stopped": "EC2InstanceStateInvalidException",
    "api-instance-unavailable": "EC2InstanceUnavailableException",
}
"""What the API can be made to answer."""

ALL: Dict[str, str] = {**IMDS_FAULTS, **SIGNER_FAULTS, **BLOCK_FAULTS, **FACT_FAULTS, **API_FAULTS}


class UnknownFault(ValueError):
    """There is no fault of that name."""


@dataclass
class Active:
    """A fault that is set: on paths that contain `path`, for `times` more requests (None: until it is cleared)."""

    name: str
    path: str = ""
    times: Optional[int] = None


class Faults:
    """The faults that are set now."""

    def __init__(self) -> None:
        self._active: Dict[str, Active] = {}

    def set(self, name: str, path: str = "", times: Optional[int] = None) -> None:
        """Raises UnknownFault."""
        if name not in ALL:
            raise UnknownFault(f"there is no fault {name!r}; there are: {', '.join(ALL)}")
        self._active[name] = Active(name, path, times)

    def clear(self, name: Optional[str] = None) -> None:
        """Clear one fault, or all."""
        if name is None:
            self._active.clear()
        else:
            self._active.pop(name, None)

    def listed(self) -> List[Active]:
        return list(self._active.values())

    def has(self, name: str) -> bool:
        return name in self._active

    def take(self, path: str) -> Optional[str]:
        """The name of an IMDS fault that applies to a request for `path`, counted as used."""
        for fault in self.listed():
            if fault.name in IMDS_FAULTS and fault.path in path and self._used(fault):
                return fault.name
        return None

    def take_api(self) -> Optional[str]:
        """The name of an API fault that applies to this call, counted as used."""
        return next((fault.name for fault in self.listed() if fault.name in API_FAULTS and self._used(fault)), None)

    def _used(self, fault: Active) -> bool:
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self.clear(fault.name)
        return True
