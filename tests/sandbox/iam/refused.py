# SPDX-License-Identifier: Apache-2.0
"""What an attacker or a faulty client changes in a signed request, and the problem that must be found."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Callable

from eic_sandbox.iam.sigv4 import HttpRequest, Problem

from . import signing
from .signing import Change, header, with_header, with_parameter

EMPTY = hashlib.sha256(b"").hexdigest()
HEX = "0" * 64


def added(name: str, *values: str) -> Change:
    """Adds lines after those that are there."""
    return lambda request: dataclasses.replace(
        request, headers=[*request.headers, *((name, value) for value in values)]
    )


def replaced(name: str, *values: str) -> Change:
    return lambda request: with_header(request, name, *values)


def edited(old: str, new: str) -> Change:
    """Edits the Authorization header, which must contain `old`."""

    def change(request: HttpRequest) -> HttpRequest:
        value = header(request, "Authorization")
        assert old in value
        return with_header(request, "Authorization", value.replace(old, new))

    return change


def parameter(name: str, *values: str) -> Change:
    return lambda request: with_parameter(request, name, *values)


def query(function: Callable[[str], str]) -> Change:
    return lambda request: dataclasses.replace(request, query=function(request.query))


def replace(**parts: str) -> Change:
    return lambda request: dataclasses.replace(request, **parts)  # type: ignore[arg-type]


CREDENTIAL = f"Credential={signing.KEY_ID}"
IN_HEADER = [
    # no signature, or two
    (replaced("Authorization"), Problem.MISSING),
    (added("Authorization", "AWS4-HMAC-SHA256 x"), Problem.AMBIGUOUS),
    (added("AUTHORIZATION", "Basic x"), Problem.AMBIGUOUS),
    (replace(query="X-Amz-Signature=" + HEX), Problem.AMBIGUOUS),
    (replace(query="x-amz-signature=" + HEX), Problem.AMBIGUOUS),
    (replace(query="X-Amz-Date=20150830T123600Z"), Problem.AMBIGUOUS),
    (replace(query="X%2DAmz%2DExpires=1"), Problem.AMBIGUOUS),
    (replace(query="X-Amz-Security-Token=t"), Problem.AMBIGUOUS),
    (replace(query="X-Amz-Security-To%E2%84%AAen=t"), Problem.AMBIGUOUS),  # U+212A, whose lower case is "k"
    (replace(query="X-Amz-Other=1&x-amz-other=2"), Problem.AMBIGUOUS),
    (added("Host", signing.HOST), Problem.AMBIGUOUS),
    (added("hOST", "other.example"), Problem.AMBIGUOUS),
    (added("X-Amz-Date", "20150830T123600Z"), Problem.AMBIGUOUS),
    (replaced("X-Amz-Security-Token", "a", "a"), Problem.AMBIGUOUS),
    (replaced("X-Amz-Content-SHA256", EMPTY, EMPTY), Problem.AMBIGUOUS),
    # another algorithm
    (edited("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA1 "), Problem.UNSUPPORTED),
    (edited("AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 "), Problem.UNSUPPORTED),
    (edited("AWS4-HMAC-SHA256 ", "aws4-hmac-sha256 "), Problem.UNSUPPORTED),
    (edited("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256\t"), Problem.UNSUPPORTED),
    (replaced("Authorization", ""), Problem.UNSUPPORTED),
    (replaced("Authorization", "AWS AKIA:signature"), Problem.UNSUPPORTED),
    (replaced("Authorization", "Bearer token"), Problem.UNSUPPORTED),
    # incomplete
    (replaced("Authorization", "AWS4-HMAC-SHA256"), Problem.INCOMPLETE),
    (edited("Credential=", "credential="), Problem.INCOMPLETE),
    (edited("Credential=", "Credential ="), Problem.INCOMPLETE),
    (edited("SignedHeaders=", "X="), Problem.INCOMPLETE),
    (edited(", Signature=", ", Signature=0, Signature="), Problem.INCOMPLETE),
    (edited(", Signature=", ", Other=0, Signature="), Problem.INCOMPLETE),
    (edited(", Signature=", ","), Problem.INCOMPLETE),
    (edited(", Signature=", ", Signature=0"), Problem.INCOMPLETE),
    (edited(", Signature=", ", Signature= "), Problem.INCOMPLETE),
    (edited("/aws4_request", ""), Problem.INCOMPLETE),
    (edited("/aws4_request", "/aws4_request/"), Problem.INCOMPLETE),
    (edited("AKIA", "AK\u0130A"), Problem.INCOMPLETE),
    (edited("AKIA", "AK.A"), Problem.INCOMPLETE),
    (edited(CREDENTIAL, "Credential="), Problem.INCOMPLETE),
    (edited(CREDENTIAL, "Credential=" + "A" * 129), Problem.INCOMPLETE),
    (replaced("X-Amz-Security-Token", ""), Problem.INCOMPLETE),
    (replaced("X-Amz-Security-Token", "a b"), Problem.INCOMPLETE),
    (replaced("X-Amz-Security-Token", "\u0442oken"), Problem.INCOMPLETE),
    (replaced("X-Amz-Date"), Problem.INCOMPLETE),
    (
        lambda request: replaced("X-Amz-Date")(added("Date", "Sun, 30 Aug 2015 12:36:00 GMT")(request)),
        Problem.INCOMPLETE,
    ),
    (replaced("X-Amz-Date", ""), Problem.INCOMPLETE),
    (replaced("X-Amz-Date", "20150830T123600"), Problem.INCOMPLETE),
    (replaced("X-Amz-Date", "20150830t123600z"), Problem.INCOMPLETE),
    (replaced("X-Amz-Date", "2015-08-30T12:36:00Z"), Problem.INCOMPLETE),
    (replaced("X-Amz-Date", "20150230T123600Z"), Problem.INCOMPLETE),
    (replaced("X-Amz-Date", "20150830T123660Z"), Problem.INCOMPLETE),
    (replaced("X-Amz-Date", "20150830T243600Z"), Problem.INCOMPLETE),
    (replaced("X-Amz-Date", "00000830T123600Z"), Problem.INCOMPLETE),
    (replaced("X-Amz-Date", "\u0662\u0660150830T123600Z"), Problem.INCOMPLETE),  # Arabic-Indic digits
    (edited("SignedHeaders=", "SignedHeaders=;"), Problem.INCOMPLETE),
    (edited("SignedHeaders=host;x-amz-date", "SignedHeaders="), Problem.INCOMPLETE),
    (edited("host;x-amz-date", "x-amz-date;host"), Problem.INCOMPLETE),
    (edited("host;x-amz-date", "Host;x-amz-date"), Problem.INCOMPLETE),
    (edited("host;x-amz-date", "host;host;x-amz-date"), Problem.INCOMPLETE),
    (edited("host;x-amz-date", "host;x-absent;x-amz-date"), Problem.INCOMPLETE),
    (edited("host;x-amz-date", ";".join(["host"] * 65)), Problem.TOO_LARGE),
    # unsigned headers
    (edited("host;x-amz-date", "x-amz-date"), Problem.UNSIGNED),
    (edited("host;x-amz-date", "host"), Problem.UNSIGNED),
    (added("X-Amz-Target", "Service.Operation"), Problem.UNSIGNED),
    (added("x-AMZ-security-token", "t"), Problem.UNSIGNED),
    # the scope
    (edited("/aws4_request", "/aws3_request"), Problem.WRONG_SCOPE),
    (edited("/aws4_request", "/AWS4_REQUEST"), Problem.WRONG_SCOPE),
    (edited("/us-west-2/", "/us-west-1/"), Problem.WRONG_SCOPE),
    (edited("/us-west-2/", "//"), Problem.WRONG_SCOPE),
    (edited("/us-west-2/", "/US-WEST-2/"), Problem.WRONG_SCOPE),
    (edited("/ec2-instance-connect/", "/ec2/"), Problem.WRONG_SCOPE),
    (replaced("X-Amz-Date", "20150830T123600Z"), Problem.WRONG_SCOPE),
    (lambda request: edited("/20", "/\u0662\u0660")(request), Problem.WRONG_SCOPE),
    # the line and the headers
    (replace(method="GET\n/"), Problem.MALFORMED),
    (replace(method=""), Problem.MALFORMED),
    (replace(method="M" * 33), Problem.MALFORMED),
    (replace(path=""), Problem.MALFORMED),
    (replace(path="*"), Problem.MALFORMED),
    (replace(path="http://other.example/"), Problem.MALFORMED),
    (replace(path="/a b"), Problem.MALFORMED),
    (replace(path="/?a=b"), Problem.MALFORMED),
    (replace(path="/#a"), Problem.MALFORMED),
    (replace(path="/\n"), Problem.MALFORMED),
    (replace(path="/\0"), Problem.MALFORMED),
    (replace(path="/é"), Problem.MALFORMED),
    (replace(path="/\udc80"), Problem.MALFORMED),
    (replace(path="/" + "a" * 8192), Problem.TOO_LARGE),
    (replace(query="a=%"), Problem.MALFORMED),
    (added("", "x"), Problem.MALFORMED),
    (added("Host ", "x"), Problem.MALFORMED),
    (added(" Host", "x"), Problem.MALFORMED),
    (added("X-Amz-To\u212aen", "x"), Problem.MALFORMED),
    (added("X-A:b", "x"), Problem.MALFORMED),
    (added("X-A\n", "x"), Problem.MALFORMED),
    (added("X-A", "a\r\n folded"), Problem.MALFORMED),
    (added("X-A", "a\nhost:other.example"), Problem.MALFORMED),
    (added("X-A", "a\0"), Problem.MALFORMED),
    (added("X-A", "\ud800"), Problem.MALFORMED),
    (added("X-" + "a" * 256, "x"), Problem.MALFORMED),
    (added("X-A", "a" * 65536), Problem.TOO_LARGE),
    (added("X-A", *[""] * 256), Problem.TOO_LARGE),
]

IN_URL = [
    (added("Authorization", "AWS4-HMAC-SHA256 x"), Problem.AMBIGUOUS),
    (added("Authorization", "Basic x"), Problem.AMBIGUOUS),
    (added("X-Amz-Date", "20150830T123600Z"), Problem.AMBIGUOUS),
    (added("x-amz-security-token", signing.TOKEN), Problem.AMBIGUOUS),
    (added("X-Amz-Expires", "604800"), Problem.AMBIGUOUS),
    (added("Host", signing.HOST), Problem.AMBIGUOUS),
    (query(lambda raw: f"{raw}&X-Amz-Signature={HEX}"), Problem.AMBIGUOUS),
    (query(lambda raw: f"X-Amz-Expires=604800&{raw}"), Problem.AMBIGUOUS),
    (query(lambda raw: f"{raw}&x-amz-date=20150830T123600Z"), Problem.AMBIGUOUS),
    (query(lambda raw: f"{raw}&X-Amz-Credentia%6C=other"), Problem.AMBIGUOUS),
    (query(lambda raw: f"{raw}&X-Amz-%C5%BFignature=other"), Problem.AMBIGUOUS),  # U+017F, a long s
    (query(lambda raw: f"{raw}&X-Amz-Other=1&X-Amz-OTHER=2"), Problem.AMBIGUOUS),
    (query(lambda raw: raw.replace("X-Amz-Date", "x-amz-date")), Problem.INCOMPLETE),
    (query(lambda raw: raw.replace("X-Amz-Signature", "X-AMZ-SIGNATURE")), Problem.INCOMPLETE),
    (query(lambda raw: raw.replace("X-Amz-Expires", "X-Amz-expires")), Problem.INCOMPLETE),
    *(
        (parameter(name), Problem.INCOMPLETE)
        for name in ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature")
    ),
    *(
        (parameter("X-Amz-Expires", value), Problem.INCOMPLETE)
        for value in ("", "0", "-1", "+60", "060", "6e1", "60.0", "604801", "1" * 50, "%D9%A6%D9%A0", "60%00", "60%0A")
    ),
    (parameter("X-Amz-Algorithm", "AWS4-HMAC-SHA1"), Problem.UNSUPPORTED),
    (parameter("X-Amz-Algorithm", ""), Problem.UNSUPPORTED),
    (parameter("X-Amz-Algorithm", "AWS4-HMAC-SHA256%0A"), Problem.UNSUPPORTED),
    (parameter("X-Amz-Date", "20150830T123600Z"), Problem.WRONG_SCOPE),
    (parameter("X-Amz-Date", "20150830T123600Z%0A"), Problem.INCOMPLETE),
    (parameter("X-Amz-Signature", HEX[:-1]), Problem.INCOMPLETE),
    (parameter("X-Amz-Signature", "A" * 64), Problem.INCOMPLETE),
    (parameter("X-Amz-Signature", HEX + "%0A"), Problem.INCOMPLETE),
    (parameter("X-Amz-Signature", "%D9%A0" * 64), Problem.INCOMPLETE),
    (parameter("X-Amz-Signature", HEX), Problem.MISMATCH),
    (parameter("X-Amz-SignedHeaders", ""), Problem.INCOMPLETE),
    (parameter("X-Amz-SignedHeaders", "HOST"), Problem.INCOMPLETE),
    (parameter("X-Amz-SignedHeaders", "host%3Bx"), Problem.INCOMPLETE),
    (parameter("X-Amz-Security-Token", ""), Problem.INCOMPLETE),
    (parameter("X-Amz-Security-Token", "a%00"), Problem.INCOMPLETE),
    (added("X-Amz-Target", "Service.Operation"), Problem.UNSIGNED),
    (replaced("Host"), Problem.INCOMPLETE),
    (parameter("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), Problem.UNSUPPORTED),
    (parameter("x-amz-content-sha256", HEX), Problem.MISMATCH),
]
