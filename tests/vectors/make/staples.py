# SPDX-License-Identifier: Apache-2.0
"""staples/: the OCSP responses of chains/valid.pem, DER: for the signer, and for the intermediate."""

from __future__ import annotations

from typing import Any, Dict, Tuple

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from eic_sandbox.pki.authority import Identity, key_usage, rsa_key
from eic_sandbox.pki.ocsp import StapleKind

from .folder import Folder
from .pki import DAY, HOUR, MOMENT, SECOND, Pki, authority, responder, server, staple

GOOD, REVOKED, UNKNOWN = StapleKind.GOOD, StapleKind.REVOKED, StapleKind.UNKNOWN
_SKEW = 60 * SECOND
_INVALID, _MISSING, _REVOKED = "staple-invalid", "staple-missing", "signer-revoked"
_LONG_AGO = (MOMENT - 400 * DAY, MOMENT - 393 * DAY)


class Staples:
    """Adds the cases of the folder."""

    def __init__(self, folder: Folder, pki: Pki) -> None:
        self._folder = folder
        self._pki = pki
        self._of_intermediate = folder.write("intermediate.der", staple(GOOD, pki.intermediate, pki.root))
        self._good = folder.write("signer.der", self._staple())

    def make(self) -> None:
        """All of them."""
        self._several()
        self._contents()
        self._makers()
        self._delegates()
        self._revoked()

    def _staple(self, kind: StapleKind = GOOD, **options: Any) -> bytes:
        """A staple of the signer, by its issuer or the `responder` of `options`."""
        return staple(kind, self._pki.signer, self._pki.intermediate, **options)

    def _responder(self, **options: Any) -> Identity:
        return responder(self._pki.intermediate, **options)

    def _case(self, name: str, why: str, reason: str, *staples: str) -> None:
        self._folder.case(name, why, staples=list(staples), reason=reason)

    def _one(self, name: str, why: str, reason: str, content: bytes) -> None:
        """The signer's staple is `content`; the intermediate's is good."""
        self._case(name, why, reason, self._folder.write(f"{name}.der", content), self._of_intermediate)

    def _both(self, name: str, why: str, reason: str, content: bytes) -> None:
        """Two cases: `content` before a good staple of the signer, and behind it."""
        file = self._folder.write(f"{name}.der", content)
        self._case(f"{name}-before-a-good-one", why, reason, file, self._good, self._of_intermediate)
        self._case(f"{name}-behind-a-good-one", why, reason, self._good, self._of_intermediate, file)

    def _several(self) -> None:
        good, intermediate = self._good, self._of_intermediate
        each = "Each certificate below the trusted root needs a staple."
        self._case("valid", "All rules hold.", "granted", good, intermediate)
        self._case("in-another-order", "A staple is matched by its contents.", "granted", intermediate, good)
        self._case("each-twice", "Equal staples count once.", "granted", good, good, intermediate, intermediate)
        self._case("none", each, _MISSING)
        self._case("none-for-the-signer", each, _MISSING, intermediate)
        self._case("none-for-the-intermediate", each, _MISSING, good)
        self._folder.case("none-where-none-is-required", "[trust] require_ocsp", staples=[], reason="granted",
                          settings={"trust": {"require_ocsp": "no"}})  # fmt: skip
        intermediate_revoked = staple(REVOKED, self._pki.intermediate, self._pki.root)
        file = self._folder.write("intermediate-revoked.der", intermediate_revoked)
        self._case("intermediate-revoked", "Each certificate counts.", _REVOKED, good, file)
        self._case("intermediate-revoked-and-none-for-the-signer", "REVOKED goes before missing.", _REVOKED, file)
        unknown = self._folder.write(
            "unknown-intermediate.der", staple(UNKNOWN, self._pki.intermediate, self._pki.root)
        )
        self._case("intermediate-unknown", each, _INVALID, good, unknown)

    def _contents(self) -> None:
        pki = self._pki
        sibling = server(pki.signer.certificate.subject.rdns[0].rfc4514_string()[3:], pki.key, pki.intermediate)
        self._one("for-another-certificate", "The serial number is the certificate's.", _MISSING,
                  staple(GOOD, sibling, pki.intermediate))  # fmt: skip
        self._one("for-another-issuer", "The hashes of the CertID are the issuer's.", _MISSING,
                  staple(GOOD, pki.signer, pki.root, responder=pki.intermediate, certificates=[]))  # fmt: skip
        self._one("unknown", "The status is GOOD.", _INVALID, self._staple(UNKNOWN))
        times = {
            "in-its-last-second": (MOMENT - HOUR, MOMENT + SECOND, "granted", "now < nextUpdate"),
            "at-its-end": (MOMENT - HOUR, MOMENT, _INVALID, "now < nextUpdate"),
            "as-early-as-the-clock-skew": (MOMENT + _SKEW, MOMENT + DAY, "granted", "thisUpdate <= now + clock_skew"),
            "too-early": (MOMENT + _SKEW + SECOND, MOMENT + DAY, _INVALID, "thisUpdate <= now + clock_skew"),
            "without-next-update": (MOMENT - HOUR, None, _INVALID, "There is a nextUpdate."),
            "ends-before-it-begins": (MOMENT + 30 * SECOND, MOMENT + SECOND, _INVALID, "thisUpdate <= nextUpdate"),
        }
        for name, (begin, end, reason, why) in times.items():
            self._one(name, why, reason, self._staple(updates=(begin, end)))
        self._one("error-response", "The response is a successful one.", _INVALID, self._staple(StapleKind.REFUSED))
        junk = "What cannot be read vouches for nothing."
        self._one("not-a-response", junk, _INVALID, b"not a response")
        self._one("empty", junk, _INVALID, b"")
        self._one("cut-short", junk, _INVALID, self._staple()[:-1])
        self._both("not-a-response-beside", "What cannot be read and is not about the path is skipped.", "granted",
                   b"nothing")  # fmt: skip
        about = self._staple(REVOKED)
        self._both("unreadable-with-the-serial-number", "What cannot be read may be a REVOKED.", _INVALID, about[:-1])

    def _makers(self) -> None:
        pki = self._pki
        made = "Its issuer, or a responder of its issuer, made it."
        self._one("named-by-subject", "A responder is named by its subject or its key.", "granted",
                  self._staple(by_name=True))  # fmt: skip
        key = pki.intermediate.key
        self._one("named-as-another", made, _INVALID,
                  self._staple(responder_id=authority("Another Name", key=key), by_name=True))  # fmt: skip
        stranger = responder(None)
        self._one("by-a-stranger", made, _INVALID, self._staple(responder=stranger))
        self._one("by-the-root", made, _INVALID, self._staple(responder=pki.root, certificates=[]))
        twin = authority("Vector CA", pki.root)
        self._one("by-another-key", made, _INVALID, self._staple(responder=twin, by_name=True, certificates=[]))
        self._one("by-a-responder-of-another-key", made, _INVALID, self._staple(responder=responder(twin)))
        self._one("by-a-responder-of-the-root", made, _INVALID, self._staple(responder=responder(pki.root)))
        good = self._staple()
        self._one("with-a-byte-of-its-signature-changed", made, _INVALID, good[:-1] + bytes([good[-1] ^ 1]))

    def _delegates(self) -> None:
        delegate = "The issuer delegated to the responder, and its certificate is valid now."
        unknown = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True)
        usage = (key_usage(digital_signature=False, key_cert_sign=False), True)
        server_auth = [ExtendedKeyUsageOID.SERVER_AUTH]
        cases: Dict[str, Tuple[str, Dict[str, Any]]] = {
            "by-a-delegate": ("granted", {}),
            "by-a-delegate-without-key-usage": ("granted", {"without": [x509.KeyUsage]}),
            "by-a-delegate-in-its-last-second": ("granted", {"not_before": MOMENT - 30 * DAY + SECOND}),
            "by-a-delegate-at-its-end": (_INVALID, {"not_before": MOMENT - 30 * DAY}),
            "by-a-delegate-before-its-begin": (_INVALID, {"not_before": MOMENT + SECOND}),
            "by-a-server-of-the-issuer": (_INVALID, {"usages": server_auth}),
            "by-a-certificate-of-no-purpose": (_INVALID, {"usages": []}),
            "by-a-delegate-for-no-signatures": (_INVALID, {"extensions": [usage]}),
            "by-a-delegate-with-an-unknown-critical-extension": (_INVALID, {"extensions": [unknown]}),
        }
        for name, (reason, options) in cases.items():
            self._one(name, delegate, reason, self._staple(responder=self._responder(**options)))
        revoked = self._responder()
        vouches = self._folder.write("by-a-revoked-delegate.der", self._staple(responder=revoked))
        about = self._folder.write("delegate-revoked.der", staple(REVOKED, revoked, self._pki.intermediate))
        self._case("by-a-revoked-delegate", delegate, _INVALID, vouches, about, self._of_intermediate)

    def _revoked(self) -> None:
        counts = "A REVOKED by the issuer or its responder counts, whatever is beside it."
        self._one("revoked-alone", "The status is GOOD.", _REVOKED, self._staple(REVOKED))
        self._both("revoked", counts, _REVOKED, self._staple(REVOKED, updates=(MOMENT - HOUR, MOMENT + HOUR)))
        self._both("revoked-long-ago", counts, _REVOKED, self._staple(REVOKED, updates=_LONG_AGO))
        self._both("revoked-without-next-update", counts, _REVOKED, self._staple(REVOKED, updates=(MOMENT, None)))
        self._both(
            "revoked-tomorrow", counts, _REVOKED, self._staple(REVOKED, updates=(MOMENT + DAY, MOMENT + 2 * DAY))
        )
        self._both("revoked-by-a-delegate", counts, _REVOKED, self._staple(REVOKED, responder=self._responder()))
        expired = self._responder(not_before=MOMENT - 31 * DAY)
        self._both("revoked-by-an-expired-delegate", counts, _REVOKED, self._staple(REVOKED, responder=expired))
        nobody = "A REVOKED by anybody else does not count."
        for name, maker in (
            ("revoked-by-a-stranger", responder(None)),
            ("revoked-by-a-responder-of-the-root", responder(self._pki.root)),
            ("revoked-by-a-server-of-the-issuer", self._responder(usages=[ExtendedKeyUsageOID.SERVER_AUTH])),
            (
                "revoked-by-a-responder-of-another-key",
                responder(authority("Vector CA", self._pki.root)),
            ),
        ):
            self._both(name, nobody, "granted", self._staple(REVOKED, responder=maker))
        other = server("x.example.com", rsa_key(), self._pki.intermediate)
        self._both("another-certificate-revoked", "Another certificate's status does not count.", "granted",
                   staple(REVOKED, other, self._pki.intermediate))  # fmt: skip
