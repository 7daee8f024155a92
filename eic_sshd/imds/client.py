# SPDX-License-Identifier: Apache-2.0
"""What eic-sshd reads from the instance metadata service: pushed keys, facts of the instance, the signer.

This module owns the paths, the most bytes that each may give, and the check of what each gives. `session` owns how a
path is read.
"""

from __future__ import annotations

import base64
import re
from typing import Dict, List, Optional, Tuple

from ..model import partition
from ..model.deadline import Deadline
from ..model.reasons import NotGranted, Reason
from .session import AnswerTooLong, Session, SessionState

_INSTANCE_ID = r"i-[0-9a-f]{8,32}"
# A zone may be local or wavelength: us-west-2-lax-1a, us-east-1-wl1-bos-wlz-1.
_ZONE = rf"(?P<region>{partition.REGION})([a-z]|(-[a-z0-9]{{1,8}}){{1,4}})"
_STAPLE_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}"

# The longest answers read, in bytes.
_FACT_LIMIT = 1024
_KEYS_LIMIT = 512 * 1024
_CHAIN_LIMIT = 32 * 1024
_LIST_LIMIT = 4 * 1024
_STAPLE_LIMIT = 16 * 1024
_MAX_STAPLES = 16
# Seconds for which what was read about the signer, verified or not, serves the next decision: where IMDS is slow, one
# decision may be over before it has all of it.
_MATERIAL_LIFETIME = 10.0


class SignerMaterial:
    """What was just read about the signer (region, domain, chain and staples), by its path."""

    def __init__(self) -> None:
        self._bodies: Dict[str, Tuple[Optional[bytes], float]] = {}

    def body(self, path: str, now: float) -> Optional[Tuple[Optional[bytes]]]:
        """What was read at `path`, as a tuple of one (None in it was a 404); None if nothing recent was."""
        body, until = self._bodies.get(path, (None, 0.0))
        return (body,) if now < until else None

    def store(self, path: str, body: Optional[bytes], now: float) -> None:
        """Keep what was read at `path` at the time `now`; None stands for 404."""
        recent = {other: one for other, one in self._bodies.items() if one[1] > now}
        self._bodies = {**recent, path: (body, now + _MATERIAL_LIFETIME)}

    def clear(self) -> None:
        """Forget everything."""
        self._bodies = {}


class ImdsState:
    """What the clients of one IMDS share."""

    def __init__(self) -> None:
        self.session = SessionState()
        self.material = SignerMaterial()


class Imds:
    """One IMDS, read by one thread over one kept-alive connection.

    Every method raises NotGranted: imds-unreachable, imds-disabled, imds-error or deadline-exceeded.
    """

    def __init__(self, endpoint: str, request_timeout: float, state: Optional[ImdsState] = None) -> None:
        state = state or ImdsState()
        self._material = state.material
        self._session = Session(endpoint, request_timeout, state.session)
        self._unread_staple: Optional[NotGranted] = None

    def __enter__(self) -> Imds:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next read opens another."""
        self._session.close()

    def active_keys(self, user: str, deadline: Deadline) -> Optional[bytes]:
        """The signed keys pushed for `user`; None when there are none. `user` must be a checked name."""
        return self._get(f"managed-ssh-keys/active-keys/{user}", _KEYS_LIMIT, deadline)

    def instance_id(self, deadline: Deadline) -> str:
        """The instance id that IMDS reports; nothing has confirmed it."""
        return _match("instance-id", self._require("instance-id", _FACT_LIMIT, deadline), _INSTANCE_ID).group()

    def region(self, deadline: Deadline) -> str:
        """The region, from `placement/region`; taken from the zone only if IMDS answers 404 for that path."""
        body = self._get_recent("placement/region", _FACT_LIMIT, deadline)
        if body is not None:
            return _match("placement/region", body, partition.REGION).group()
        body = self._require("placement/availability-zone", _FACT_LIMIT, deadline)
        return _match("placement/availability-zone", body, _ZONE).group("region")

    def domain(self, region: str, deadline: Deadline) -> str:
        """The domain of `region`. Raises NotGranted with domain-unknown if `services/domain` gives another."""
        body = _required("services/domain", self._get_recent("services/domain", _FACT_LIMIT, deadline))
        domain = body.decode("ascii", "replace").strip()
        expected = partition.domain_of(region)
        if domain != expected:
            raise NotGranted(
                Reason.DOMAIN_UNKNOWN, f"services/domain is {domain[:80]!r}; in {region} it must be {expected}"
            )
        return domain

    def signer_chain(self, deadline: Deadline) -> bytes:
        """The signer's certificate and its issuers, PEM."""
        path = "managed-ssh-keys/signer-cert"
        return _required(path, self._get_recent(path, _CHAIN_LIMIT, deadline))

    def staples(self, deadline: Deadline) -> List[bytes]:
        """The OCSP responses, DER, that IMDS lists.

        One that is not base64 is b"", which no certificate can use. One that cannot be read is skipped, and
        `unread_staple` has the reason: a certificate that needs it will have no staple.

        Raises NotGranted with staple-invalid if there are too many, or one is too long: a staple that is not read may
        be the one that revokes the signer.
        """
        self._unread_staple = None
        listing = self._get_recent("managed-ssh-keys/signer-ocsp", _LIST_LIMIT, deadline) or b""
        names = dict.fromkeys(listing.decode("ascii", "replace").split())
        valid_names = [name for name in names if re.fullmatch(_STAPLE_NAME, name)]
        if len(valid_names) > _MAX_STAPLES:
            problem = f"signer-ocsp lists more than {_MAX_STAPLES} staples ({len(valid_names)})"
            raise NotGranted(Reason.STAPLE_INVALID, problem)
        fetched = (self._staple(name, deadline) for name in valid_names)
        return [_der(text) for text in fetched if text is not None]

    @property
    def unread_staple(self) -> Optional[NotGranted]:
        """Why the last `staples` skipped one, the first if it skipped several; None if it skipped none."""
        return self._unread_staple

    def forget(self) -> None:
        """Read the signer's chain, staples, region and domain again when they are next needed."""
        self._material.clear()

    def _staple(self, name: str, deadline: Deadline) -> Optional[bytes]:
        try:
            return self._get_recent(f"managed-ssh-keys/signer-ocsp/{name}", _STAPLE_LIMIT, deadline)
        except AnswerTooLong as refusal:
            raise NotGranted(Reason.STAPLE_INVALID, refusal.detail) from refusal
        except NotGranted as refusal:
            if refusal.reason not in (Reason.IMDS_ERROR, Reason.IMDS_UNREACHABLE):
                raise
            self._unread_staple = self._unread_staple or refusal
            return None

    def _get_recent(self, path: str, limit: int, deadline: Deadline) -> Optional[bytes]:
        """The body at a path that concerns the signer: what was just read, or what IMDS gives now."""
        recent = self._material.body(path, deadline.clock())
        if recent is not None:
            (body,) = recent
            return body
        body = self._get(path, limit, deadline)
        self._material.store(path, body, deadline.clock())
        return body

    def _require(self, path: str, limit: int, deadline: Deadline) -> bytes:
        return _required(path, self._get(path, limit, deadline))

    def _get(self, path: str, limit: int, deadline: Deadline) -> Optional[bytes]:
        """What IMDS gives now; None for 404. A client without a network replaces this method."""
        return self._session.get(path, limit, deadline)


def _required(path: str, body: Optional[bytes]) -> bytes:
    if body is None:
        raise NotGranted(Reason.IMDS_ERROR, f"{path} answered 404")
    return body


def _match(path: str, body: bytes, shape: str) -> re.Match[str]:
    fact = body.decode("ascii", "replace").strip()
    match = re.fullmatch(shape, fact)
    if match is None:
        raise NotGranted(Reason.IMDS_ERROR, f"{path} is {fact[:80]!r}")
    return match


def _der(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except ValueError:
        return b""
