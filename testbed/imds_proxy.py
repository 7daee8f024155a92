# SPDX-License-Identifier: Apache-2.0
"""A proxy for IMDS that delays answers and can replace the answer about keys."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
import urllib.error
import urllib.request
from typing import Dict, Iterator, Optional, Tuple
from urllib.parse import urlsplit


class Imds:
    """Forwards requests to the IMDS at `upstream` after `delay` seconds.

    `keys`, if set, replaces the answer about keys. `waiting` is the number of requests that are delayed at present.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.delay = 0.0
        self.keys: Optional[bytes] = None
        self._lock = threading.Lock()
        self.waiting = 0

    def answer(self, method: str, path: str, headers: Dict[str, str]) -> Tuple[int, bytes]:
        """The status and the body for a request."""
        with self._waiting():
            time.sleep(self.delay)
        if self.keys is not None and "active-keys" in path:
            return 200, self.keys
        request = urllib.request.Request(self.upstream + path, headers=headers, method=method)  # noqa: S310 - ours
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - as above
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    @contextlib.contextmanager
    def _waiting(self) -> Iterator[None]:
        with self._lock:
            self.waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self.waiting -= 1


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True
    imds: Imds

    def handle_error(self, *_: object) -> None:
        """The client has closed the connection."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._pass_on()

    def do_PUT(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        wanted = {name: value for name, value in self.headers.items() if name.lower().startswith("x-aws-ec2-metadata")}
        status, body = self.server.imds.answer(self.command, self.path, wanted)
        with contextlib.suppress(OSError):  # the client has closed the connection
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@contextlib.contextmanager
def serving(upstream: str) -> Iterator[Tuple[Imds, str]]:
    """A proxy for `upstream`, and its URL."""
    parts = urlsplit(upstream)
    imds = Imds(f"{parts.scheme}://{parts.netloc}")
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.imds = imds
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield imds, f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
