# SPDX-License-Identifier: Apache-2.0
"""The roots that a signer may chain to: the distribution's, the Amazon ones among them, or the site's own file."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from typing import Callable, List, Sequence

from ..config.schema import TrustSettings
from ..host import trusted_files
from ..model.reasons import NotGranted, Reason
from ..model.value import Value

# Where the distributions keep their bundle: Debian and Ubuntu; RHEL, its rebuilds and Amazon Linux.
SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem")
_BUNDLE_LIMIT = 4 * 1024 * 1024
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")

# SHA-256 over the DER of the Amazon Trust Services roots, as Mozilla's root store has them.
AMAZON_ROOTS = frozenset({
    "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",  # Amazon Root CA 1
    "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",  # Amazon Root CA 2
    "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",  # Amazon Root CA 3
    "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",  # Amazon Root CA 4
    "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",  # Starfield Services Root CA - G2
})  # fmt: skip


class Roots(Value):
    """Trusted certificates, DER. With `private` they are a site's own and not a public PKI's."""

    certificates: Sequence[bytes]
    private: bool


RootsFor = Callable[[str], Roots]
"""Gives the roots for a partition's domain; raises NotGranted if there are none."""


def pem_certificates(text: bytes) -> List[bytes]:
    """The DER of each certificate in a PEM text, in order and each once; other text is skipped."""
    found = []
    for match in _CERTIFICATE.finditer(text):
        try:
            found.append(base64.b64decode(b"".join(match.group(1).split()), validate=True))
        except ValueError:  # binascii.Error is one
            continue  # not base64: the chain lacks it, which is reported
    return list(dict.fromkeys(found))


def is_amazon(der: bytes) -> bool:
    """Whether `der` is the certificate of an Amazon Trust Services root."""
    return hashlib.sha256(der).hexdigest() in AMAZON_ROOTS


def configured(settings: TrustSettings, bundles: Sequence[str] = SYSTEM_BUNDLES, owner: int = 0) -> RootsFor:
    """The roots that `[trust]` names, the system's from a bundle that `owner` (a uid) must own.

    Files are read at each call, so a changed bundle takes effect at once.
    """

    def roots_for(domain: str) -> Roots:
        if settings.ca_file is not None:
            return _private(settings.ca_file)
        system = _system(bundles, owner)
        if settings.roots == "system" or (settings.roots == "auto" and domain != "amazonaws.com"):
            return Roots(system, private=False)
        amazon = list(filter(is_amazon, system))
        if not amazon:
            raise NotGranted(Reason.SIGNER_UNTRUSTED, "no Amazon Trust Services root is in the system's bundle")
        return Roots(amazon, private=False)

    return roots_for


def _private(path: str) -> Roots:
    try:
        certificates = pem_certificates(trusted_files.read(path, _BUNDLE_LIMIT, owners=(0, os.geteuid())))
    except OSError as error:
        raise NotGranted(Reason.CONFIG_INVALID, f"[trust] ca_file {path}: {error.strerror}") from error
    except trusted_files.UntrustedFile as error:
        raise NotGranted(Reason.CONFIG_INVALID, f"[trust] ca_file: {error}") from error
    if not certificates:
        raise NotGranted(Reason.CONFIG_INVALID, f"[trust] ca_file {path} has no certificate in it")
    return Roots(certificates, private=True)


def _system(bundles: Sequence[str], owner: int) -> List[bytes]:
    for path in bundles:
        try:
            return pem_certificates(trusted_files.read(path, _BUNDLE_LIMIT, owners=(owner,)))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise NotGranted(
                Reason.SIGNER_UNTRUSTED, f"the system's roots cannot be read: {path}: {error.strerror}"
            ) from error
        except trusted_files.UntrustedFile as error:
            raise NotGranted(Reason.SIGNER_UNTRUSTED, f"the system's roots cannot be read: {error}") from error
    raise NotGranted(Reason.SIGNER_UNTRUSTED, f"there are no system roots at {' or '.join(bundles)}")
