# SPDX-License-Identifier: Apache-2.0
"""The TLS of the APIs and of the endpoints' tunnels: a CA, and one certificate for the host names of all Regions."""

from __future__ import annotations

import ipaddress
import os
import ssl
import tempfile
from typing import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from .authority import Identity, ec_key, issue, issue_server

CA_NAME = "Sandbox TLS CA"


class TlsIdentity:
    """`ca_pem` is what clients must trust. A name may begin with `*.`, for any one label."""

    def __init__(self, names: Sequence[str], addresses: Sequence[str] = ()) -> None:
        ca = issue(CA_NAME, ec_key(), ca=True)
        self.ca_pem = ca.pem
        self._server = _server(ca, names, addresses)

    def context(self) -> ssl.SSLContext:
        """A server's settings: TLS 1.2 and later."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        key = self._server.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        # ssl loads certificates from files only.
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "server.pem")
            with open(path, "wb") as file:
                file.write(self._server.pem + key)
            context.load_cert_chain(path)
        return context


def _server(ca: Identity, names: Sequence[str], addresses: Sequence[str]) -> Identity:
    alternatives = [x509.DNSName(name) for name in names]
    own = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    extension = x509.SubjectAlternativeName([*alternatives, *own])
    return issue_server("eic-sandbox", ec_key(), ca, dns_names=[], extensions=[(extension, False)])
