# SPDX-License-Identifier: Apache-2.0
"""The faults that can be set while the sandbox runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional

IMDS_FAULTS: Dict[str, str] = {
    "hang": "accept the request and never answer",
    "slow": "answer one byte a second, from the status line on",
    "error-500": "answer 500",
    "error-503": "answer 503",
    "unauthorized": "answer 401, also to a valid token",
    "forbidden": "answer 403, as IMDS does when it is disabled",
    "redirect": "answer 302 to the same path",
    "drop": "close the connection without an answer",
    "truncate": "close the connection in the middle of the body",
    "garbage": "send bytes that are not HTTP, without end",
    "huge-body": "answer 200 with an endless body",
}
"""Faults of the connection to IMDS; they can be limited to paths."""

SIGNER_FAULTS: Dict[str, str] = {
    "wrong-signer-name": "a chain for managed-ssh-signer.us-east-2.example.com",
    "other-root": "a chain with the right names under another root",
    "unfit-signer": "a signer certificate for TLS clients, with another host's DNS name",
    "expired-signer": "a signer certificate that has expired",
    "no-certificate": "signer-cert without a certificate",
    "revoked": "a staple with the status revoked",
    "revoked-long-ago": "a stale staple with the status revoked, and a good one",
    "unknown-staples": "staples with the status unknown",
    "stale-staples": "staples whose nextUpdate has passed",
    "early-staples": "staples whose thisUpdate is ten minutes in the future",
    "no-next-update-staples": "staples without nextUpdate",
    "unauthorized-responder-staples": "staples signed by a responder that the issuer did not certify",
    "undelegated-staples": "staples signed by a certificate of the issuer that is no OCSP responder's",
    "delegated-staples": "good staples signed by the issuer's delegated responder",
    "refused-staples": "staples that are OCSP errors",
    "garbage-staples": "staples that are neither base64 nor DER",
    "missing-staples": "no staples at all",
    "missing-staple": "no staple for the signer",
    "sha256-staple-names": "good staples under SHA-256 names",
    "hostile-staple-names": "good staples listed after names such as ../../../../latest/user-data",
}
"""Faults of the signer and its staples."""

BLOCK_FAULTS: Dict[str, str] = {
    "bad-signature": "signatures with one bit changed",
    "other-instance": "blocks signed for another instance",
    "past-timestamp": "blocks whose Timestamp has passed",
    "far-future-timestamp": "blocks whose Timestamp is in 2038",
    "malformed-blocks": "blocks without a Timestamp",
    "malformed-keys": "signed blocks whose key is truncated",
    "wrapped-signatures": "good blocks with an unknown header and a signature of several lines",
    "mixed-blocks": "nine bad blocks around each good one",
}
"""Faults of the pushed keys."""

METADATA_FAULTS: Dict[str, str] = {
    "unknown-domain": "services/domain is not a domain of AWS",
    "foreign-domain": "services/domain is that of another partition",
    "no-region": "no placement/region, as in older versions of IMDS",
    "bad-instance-id": "an invalid instance-id",
}
"""Faults of the instance's metadata."""

API_FAULTS: Dict[str, str] = {
    "api-auth": "AuthException",
    "api-throttling": "ThrottlingException",
    "api-service": "ServiceException",
    "api-instance-stopped": "EC2InstanceStateInvalidException",
    "api-instance-unavailable": "EC2InstanceUnavailableException",
}
"""Errors of the API."""

ALL: Dict[str, str] = {**IMDS_FAULTS, **SIGNER_FAULTS, **BLOCK_FAULTS, **METADATA_FAULTS, **API_FAULTS}


class UnknownFault(ValueError):
    """The name of a fault is unknown."""


def unknown(name: str) -> UnknownFault:
    """The error for a fault that does not exist; it lists those that do."""
    return UnknownFault(f"fault: unknown name ({name[:64]!r}). Use one of: {', '.join(ALL)}.")


@dataclass
class ActiveFault:
    """A fault that is set: on paths that contain `path`, for `times` more requests (None: until it is cleared)."""

    name: str
    path: str = ""
    times: Optional[int] = None


class Faults:
    """The faults that are set."""

    def __init__(self) -> None:
        self._active: Dict[str, ActiveFault] = {}

    def set(self, name: str, path: str = "", times: Optional[int] = None) -> None:
        """Raises UnknownFault."""
        if name not in ALL:
            raise unknown(name)
        self._active[name] = ActiveFault(name, path, times)

    def clear(self, name: Optional[str] = None) -> None:
        """Clear one fault, or all."""
        if name is None:
            self._active.clear()
        else:
            self._active.pop(name, None)

    def listed(self) -> List[ActiveFault]:
        """Every fault that is set."""
        return list(self._active.values())

    def has(self, name: str) -> bool:
        """Whether the fault is set; it does not count against `times`."""
        return name in self._active

    def take(self, path: str) -> Optional[str]:
        """The IMDS fault that applies to a request for `path`; the request counts against its `times`."""
        for fault in self.listed():
            if fault.name in IMDS_FAULTS and fault.path in path and self._use(fault):
                return fault.name
        return None

    def take_api(self) -> Optional[str]:
        """The API fault that applies to this call; the call counts against its `times`."""
        return next((fault.name for fault in self.listed() if fault.name in API_FAULTS and self._use(fault)), None)

    def _use(self, fault: ActiveFault) -> bool:
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self.clear(fault.name)
        return True
