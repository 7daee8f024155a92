# SPDX-License-Identifier: Apache-2.0
"""One connection of a client: who the peer is, and its request."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import Optional, Set

from ..invocation import Invocation
from ..model.value import Value
from . import protocol

_UCRED = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


class PendingConnection(Value):
    """A connection without its whole request yet; it was accepted at `since`, in seconds of time.monotonic."""

    peer: socket.socket
    received: bytearray
    since: float


def read_request(pending: PendingConnection) -> Optional[Invocation]:
    """The request, once all of it has come; None until then. Raises OSError, protocol.MalformedRequest."""
    try:
        data = pending.peer.recv(protocol.LONGEST_REQUEST)
    except BlockingIOError:
        return None
    if not data:
        raise ConnectionResetError("the peer closed the connection before its request was complete")
    pending.received.extend(data)
    if not protocol.complete(bytes(pending.received)):
        return None
    return protocol.parse_request(bytes(pending.received), pending.since)


def decline(peer: socket.socket) -> None:
    """Have the client decide by itself."""
    with contextlib.suppress(OSError):  # the peer has ended
        peer.send(protocol.DECLINED)


def peer_uid(peer: socket.socket) -> int:
    """The uid of the process that connected, as the kernel reports it."""
    _, uid, _ = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return int(uid)


def allowed_peer_uids(listener: socket.socket) -> Set[int]:
    """The uids of root, of this process, and of the socket's owner, unless its mode lets others connect as well."""
    uids = {0, os.geteuid()}
    with contextlib.suppress(OSError, ValueError):  # a socket that is in no file system has no owner
        status = os.stat(listener.getsockname())
        if not status.st_mode & 0o077:
            uids.add(status.st_uid)
    return uids
