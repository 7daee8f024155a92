# SPDX-License-Identifier: Apache-2.0
"""A server that answers the first packet of RDP: a connection request gets a connection confirm.

A packet is a TPKT header and a TPDU of X.224, class 0 (RFC 1006 section 6; [MS-RDPBCGR] 2.2.1.1 and 2.2.1.2):

    version 3 | reserved 0 | length of all, 2 bytes | length that follows | code | destination, 2 | source, 2 | class 0
"""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading
from typing import Iterator, Protocol

_HEADER = struct.Struct(">BBH")
_TPDU = struct.Struct(">BBHHB")
REQUEST, CONFIRM = 0xE0, 0xD0
SERVER_REFERENCE = 0x1234


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


def packet(code: int, destination: int, source: int) -> bytes:
    """A connection request or confirm."""
    return _HEADER.pack(3, 0, _HEADER.size + _TPDU.size) + _TPDU.pack(_TPDU.size - 1, code, destination, source, 0)


def source_of_request(stream: _Reader) -> int:
    """Reads a connection request. Raises ValueError for anything else."""
    version, _, length = _HEADER.unpack(stream.read(_HEADER.size))
    if (version, length) != (3, _HEADER.size + _TPDU.size):
        raise ValueError(f"not a TPKT header of a connection request ({version}, {length})")
    _, code, _, source, _ = _TPDU.unpack(stream.read(_TPDU.size))
    if code != REQUEST:
        raise ValueError(f"not a connection request ({code:#x})")
    return int(source)


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(ValueError, struct.error):  # it is closed without an answer
            self.wfile.write(packet(CONFIRM, source_of_request(self.rfile), SERVER_REFERENCE))
            self.rfile.read()


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """The port of 127.0.0.1 where it listens."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
