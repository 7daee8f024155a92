# SPDX-License-Identifier: Apache-2.0
"""An instance as IMDS sees it: its metadata, the keys pushed to it, and every path that IMDS answers for it."""

from __future__ import annotations

import time
import uuid
from typing import Callable, Dict, List, Optional, Tuple

from ..faults import Faults
from ..imds.metadata import InstanceMetadata, values
from ..imds.signed_keys import BlockWriter, PushedKey
from ..imds.signer import SignerFiles
from ..pki.authority import Pki
from .machine import Machine, default_machine

ACTIVE_KEYS = "managed-ssh-keys/active-keys/"


class Instance:
    """One instance. `window` is the number of seconds for which a pushed key is valid.

    `machine` is what EC2 knows of it, and `listen` the address and port where its IMDS listens; port 0 is any free one.
    """

    def __init__(
        self,
        metadata: InstanceMetadata,
        pki: Pki,
        window: int = 60,
        clock: Callable[[], float] = time.time,
        machine: Optional[Machine] = None,
        listen: Optional[Tuple[str, int]] = None,
    ) -> None:
        self.metadata = metadata
        self.machine = machine or default_machine()
        self.listen = listen
        self.pki = pki
        self.window = window
        self.faults = Faults()
        self._clock = clock
        self._pushed: Dict[str, List[PushedKey]] = {}
        self._signer = SignerFiles(pki, self.faults)
        self._blocks = BlockWriter(self.faults)

    def push(self, user: str, line: str, caller: str, request_id: Optional[str] = None) -> str:
        """Push the public key `line` for an OS user on behalf of the ARN `caller`. Returns the request id."""
        request_id = request_id or str(uuid.uuid4())
        self._drop_expired()
        expires = int(self._clock()) + self.window
        self._pushed.setdefault(user, []).append(PushedKey(line.strip(), expires, caller, request_id))
        return request_id

    def forget_keys(self) -> None:
        """Remove every pushed key."""
        self._pushed.clear()
        self._blocks.forget()

    def rotate_signer(self) -> None:
        """Make a new signer, as AWS does every few days."""
        self.pki.rotate_signer()

    def rotate_staples(self) -> None:
        """Make new staples for the same certificates."""
        self._signer.rotate_staples()

    def read(self, path: str) -> Optional[bytes]:
        """The body at `path` below /latest/meta-data/, without a closing slash. None means status 404."""
        if path.startswith(ACTIVE_KEYS):
            return self._active_keys(path[len(ACTIVE_KEYS) :])
        text = values(self.metadata, self.faults).get(path)
        return self._signer.read(path) if text is None else text.encode()

    def _active_keys(self, user: str) -> Optional[bytes]:
        self._drop_expired()
        return self._blocks.blocks(self._pushed.get(user, []), self.metadata.instance_id, self._signer.signer())

    def _drop_expired(self) -> None:
        now = self._clock()
        current = {user: [key for key in keys if key.expires > now] for user, keys in self._pushed.items()}
        self._pushed = {user: keys for user, keys in current.items() if keys}
