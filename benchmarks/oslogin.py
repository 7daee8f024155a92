# SPDX-License-Identifier: Apache-2.0
"""A helper in C++ to compare with: Google's google_authorized_keys, with a stand-in for its metadata server.

It is in the distribution's package google-compute-engine-oslogin, which is unpacked and not installed. Its metadata
server is always 169.254.169.254, so it runs only in a network namespace whose loopback has that address.
"""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
from typing import Optional
from urllib.parse import parse_qs, urlsplit

ADDRESS = "169.254.169.254"
PACKAGE = "google-compute-engine-oslogin"
FOLDER = os.path.join("build", "oslogin")


def fetch(folder: str) -> int:
    """Unpack the package below `folder`, if it is available. Returns the exit status."""
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=folder, capture_output=True, check=False)
    debs = [name for name in os.listdir(folder) if name.startswith(PACKAGE) and name.endswith(".deb")]
    if not debs:
        print(f"{PACKAGE} cannot be had here: that rival is left out", file=sys.stderr)
        return 0
    return subprocess.run(["dpkg-deb", "-x", debs[0], "."], cwd=folder, check=False).returncode


def binary(folder: str) -> Optional[str]:
    """The path of google_authorized_keys below `folder`, if it is there and finds its libraries."""
    path = os.path.join(folder, "usr/bin/google_authorized_keys")
    needs = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    return path if needs.returncode == 0 and "not found" not in needs.stdout else None


class Metadata(http.server.BaseHTTPRequestHandler):
    """The two requests of OS Login: a user's profile, and whether that user may log in."""

    protocol_version = "HTTP/1.1"
    key = ""

    def do_GET(self) -> None:
        """Answer a request for a user's profile or for the permission to log in."""
        url = urlsplit(self.path)
        if url.path.endswith("/oslogin/users") and "username" in parse_qs(url.query):
            self._answer(json.dumps({"loginProfiles": [self._profile(parse_qs(url.query)["username"][0])]}))
        elif url.path.endswith("/oslogin/authorize"):
            self._answer('{"success": true}')
        else:
            self.send_error(404)

    def _profile(self, user: str) -> object:
        account = {
            "primary": True,
            "username": user,
            "uid": "59981",
            "gid": "59981",
            "homeDirectory": "/",
            "shell": "/",
        }
        return {"name": f"{user}@example.com", "posixAccounts": [account], "sshPublicKeys": {"k": {"key": self.key}}}

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Metadata-Flavor", "Google")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


def serve(key: str) -> int:
    """Answer at 169.254.169.254 port 80 until killed."""
    Metadata.key = key
    with http.server.ThreadingHTTPServer((ADDRESS, 80), Metadata) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(fetch(sys.argv[2]) if sys.argv[1] == "fetch" else serve(sys.argv[2]))
