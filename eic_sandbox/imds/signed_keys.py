# SPDX-License-Identifier: Apache-2.0
"""The blocks that IMDS lists under managed-ssh-keys/active-keys/USER: header lines, the key, a signature.

#Timestamp=SECONDS        the time at which the key stops being valid
#Instance=ID
#Caller=ARN
#Request=UUID
TYPE BASE64 COMMENT
BASE64                    the signature over all the bytes above it
"""

from __future__ import annotations

import base64
import textwrap
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from ..faults import Faults
from ..pki.authority import Pki, RsaIdentity

_OTHER_INSTANCE = "i-0fedcba9876543210"
_YEAR_2001 = 10**9  # seconds since the epoch
_YEAR_2038 = 2**31 - 1
_MAX_SIGNATURES = 1000  # that are kept
_SIGNATURE_WIDTH = 76  # characters of a line, with the fault wrapped-signatures

# The bad blocks around each good one, with the fault mixed-blocks. `no-signature` is no fault of its own.
_BEFORE = ("bad-signature", "other-instance", "past-timestamp", "far-future-timestamp", "malformed-blocks")
_AFTER = ("malformed-keys", "no-signature", "bad-signature", "other-instance")


@dataclass(frozen=True)
class PushedKey:
    """`expires` is in seconds since the epoch."""

    line: str
    expires: int
    caller: str
    request_id: str


class BlockWriter:
    """Writes and signs blocks, with the block faults of `faults` applied."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._signatures: Dict[Tuple[bytes, bytes], bytes] = {}

    def forget(self) -> None:
        """Drop the signatures made so far."""
        self._signatures.clear()

    def blocks(self, keys: Sequence[PushedKey], instance_id: str, signer: RsaIdentity) -> Optional[bytes]:
        """The blocks of `keys`, one after another, the same bytes whenever they are read; None without keys."""
        written = [self._block(key, faults, instance_id, signer) for key in keys for faults in self._faults_of_blocks()]
        return b"\n".join(written) if written else None

    def _faults_of_blocks(self) -> List[Sequence[str]]:
        """The faults of each block that is written for one pushed key."""
        if self._faults.has("mixed-blocks"):
            return [*[(fault,) for fault in _BEFORE], (), *[(fault,) for fault in _AFTER]]
        return [[fault.name for fault in self._faults.listed()]]

    def _block(self, key: PushedKey, faults: Sequence[str], instance_id: str, signer: RsaIdentity) -> bytes:
        signed = _signed_lines(key, faults, instance_id)
        if "no-signature" in faults:
            return signed
        signature = self._signature(signer, signed)
        if "bad-signature" in faults:
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        text = base64.b64encode(signature).decode()
        lines = textwrap.wrap(text, _SIGNATURE_WIDTH) if "wrapped-signatures" in faults else [text]
        return signed + "".join(f"{line}\n" for line in lines).encode()

    def _signature(self, signer: RsaIdentity, signed: bytes) -> bytes:
        """Made once for the same bytes: signing is slow, and many simultaneous logins read the same blocks."""
        if (signer.der, signed) not in self._signatures:
            if len(self._signatures) >= _MAX_SIGNATURES:
                self.forget()
            self._signatures[signer.der, signed] = Pki.sign(signer, signed)
        return self._signatures[signer.der, signed]


def _signed_lines(key: PushedKey, faults: Sequence[str], instance_id: str) -> bytes:
    expires, line = key.expires, key.line
    if "past-timestamp" in faults:
        expires = _YEAR_2001
    if "far-future-timestamp" in faults:
        expires = _YEAR_2038
    if "other-instance" in faults:
        instance_id = _OTHER_INSTANCE
    if "malformed-keys" in faults:
        key_type, blob = line.split()[:2]
        line = f"{key_type} {blob[: len(blob) // 8 * 4]}"
    lines = [f"#Timestamp={expires}", f"#Instance={instance_id}", f"#Caller={key.caller}", f"#Request={key.request_id}"]
    if "malformed-blocks" in faults:
        del lines[0]
    if "wrapped-signatures" in faults:
        lines.append("#Later=a header of a later version")
    return "".join(f"{each}\n" for each in [*lines, line]).encode()
