# SPDX-License-Identifier: Apache-2.0
"""Certificates as values, parsed once and completely, where cryptography parses each part when it is first used.

Certificates and OCSP responses come from the network. For those that it cannot parse, cryptography raises ValueError,
its own errors, KeyError (an unknown string type), or a panic of its Rust part, which is a BaseException. `parsed` turns
all of them into Unusable.
"""

from __future__ import annotations

import datetime
import warnings
from typing import Callable, Optional, Type, TypeVar, Union, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x448, x25519

from ..model.value import Value

T = TypeVar("T")
E = TypeVar("E", bound=x509.ExtensionType)
PublicKey = Union[
    rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey, dsa.DSAPublicKey, ed448.Ed448PublicKey,
    x25519.X25519PublicKey, x448.X448PublicKey,
]  # fmt: skip
_LABEL_LENGTH = 120
# Bytes of a certificate; parsing thousands of names costs as much as a login may. Real ones have less than 2,500.
MAX_LENGTH = 8192

# Starfield Services Root CA - G2, an Amazon root, has the serial number 0, which cryptography warns of at each login.
warnings.filterwarnings("ignore", message="Parsed a (negative )?serial number")


class Unusable(Exception):
    """A certificate or an OCSP response cannot be parsed or verified; the message has the reason."""


def parsed(parse: Callable[..., T], *arguments: object) -> T:
    """The result of `parse`. Any exception that it raises becomes Unusable.

    Except KeyboardInterrupt and SystemExit, and ImportError, which is about the library and not about the data.
    """
    try:
        return parse(*arguments)
    except (KeyboardInterrupt, SystemExit, ImportError, Unusable):
        raise
    except BaseException as error:  # pyo3_runtime.PanicException is no Exception
        raise Unusable(f"it cannot be parsed: {type(error).__name__}: {str(error)[:200]}") from error


class Certificate(Value):
    """A completely parsed certificate. Times are seconds since the epoch; `label` names it in messages."""

    der: bytes
    version: int
    subject: x509.Name
    issuer: x509.Name
    label: str
    serial: int
    not_before: int
    not_after: int
    key: PublicKey
    key_id: bytes
    signature: bytes
    signed: bytes
    signature_hash: Optional[hashes.HashAlgorithm]
    extensions: x509.Extensions
    parsed: x509.Certificate

    def extension(self, kind: Type[E]) -> Optional[x509.Extension[E]]:
        """The extension of that class, if it has one."""
        return next((one for one in self.extensions if isinstance(one.value, kind)), None)


def read(der: bytes) -> Certificate:
    """Parse a certificate. Raises Unusable if cryptography cannot parse every part of it."""
    return parsed(_read, der)


def subject(der: bytes) -> x509.Name:
    """The subject alone, which is much faster to parse. Raises Unusable."""
    return parsed(lambda: _load(der).subject)


def epoch_seconds(value: object, name: str) -> Optional[int]:
    """The time `name` of a certificate or response in seconds since the epoch, None where it has none.

    cryptography 42 and 43 renamed these times to `*_utc`; the older names give naive UTC.
    """
    time = getattr(value, f"{name}_utc") if hasattr(value, f"{name}_utc") else getattr(value, name)
    return None if time is None else int(time.replace(tzinfo=datetime.timezone.utc).timestamp())


def _load(der: bytes) -> x509.Certificate:
    if len(der) > MAX_LENGTH:
        raise Unusable(f"it is longer than {MAX_LENGTH} bytes")
    return x509.load_der_x509_certificate(der)


def _read(der: bytes) -> Certificate:
    one = _load(der)
    key = one.public_key()
    return Certificate(
        der=der,
        version=one.version.value + 1,
        subject=one.subject,
        issuer=one.issuer,
        label=one.subject.rfc4514_string()[:_LABEL_LENGTH] or "a certificate without a subject",
        serial=one.serial_number,
        not_before=cast(int, epoch_seconds(one, "not_valid_before")),  # a certificate always has both
        not_after=cast(int, epoch_seconds(one, "not_valid_after")),
        key=key,
        # SHA-1 over the key's bits: the identifier of RFC 5280 section 4.2.1.2 (1), and OCSP's KeyHash.
        key_id=x509.SubjectKeyIdentifier.from_public_key(key).digest,
        signature=one.signature,
        signed=one.tbs_certificate_bytes,
        signature_hash=one.signature_hash_algorithm,
        extensions=one.extensions,
        parsed=one,
    )
