# SPDX-License-Identifier: Apache-2.0
"""Mutants that decide as the original does, or differ in what no test should hold; each with the reason.

They are known by their content: function, statement before and after. One that is no longer made, or that a test kills,
is an error.
"""

from __future__ import annotations

from typing import NamedTuple, Tuple


class Equivalent(NamedTuple):
    """The mutants of `function` in `module` that make `was` one of `now`."""

    module: str
    function: str
    was: str
    now: Tuple[str, ...]
    reason: str


_USER_NAME = (
    'USER_NAME = re.compile( r"[A-Za-z_][A-Za-z0-9@._-]{0,30}[A-Za-z0-9$_-]?" '
    'r"|(?=.{%s}$)[0-9]{%s}[A-Za-z@._-][A-Za-z0-9@._-]*[A-Za-z0-9$_-]?" )'
)
_DECODED = "try: %s except %s"
_BLOB = "blob = base64.b64decode(words[1]%s)"
_SIGNATURE = 'signature = base64.b64decode(b"".join(line.strip() for line in lines), validate=True)'
_FIRST_FIELD = "while start > 0 and key_line - start <= _MAX_BLOCK_BYTES:"
_SERIAL = 'content = serial.to_bytes((serial + (serial %s)).bit_length() // 8 + 1, "big", signed=True)'
_DECISION = (
    'return Decision( invocation, Reason.GRANTED, "", '
    "keys=tuple(grant.key for grant in latest), callers=_distinct(block.caller for block in blocks), "
    "request_ids=_distinct(block.request_id for block in blocks), "
    "expires=min(max(one.block.timestamp for one in grant.blocks) for grant in latest), "
    "instance_id=latest[%s].instance_id, source=source, options=self._config.keys.options, )"
)
_SINGLES = "singles: Iterator[_Single] = iter(%s)"
_OTHER_ISSUER = "identifier.value.authority_cert_issuer is not None"
_OTHER_SERIAL = "identifier.value.authority_cert_serial_number is not None"
_NAMES_ANOTHER_KEY = (
    "if identifier is not None and ( own is None or identifier.value.key_identifier != own.value.digest or %s or %s ):"
)
_NAMES_WITHOUT = (
    "if identifier is not None and ( "
    "((own is None) or (identifier.value.key_identifier != own.value.digest) or (%s)) ):"
)
_UNDER_WAY = "self._under_way[peer.fileno()] = ends + %s"

EQUIVALENT: Tuple[Equivalent, ...] = (
    Equivalent(
        "eic_sshd/model/signed_key.py",
        "carrying",
        'if block.end("fields") == line.start():',
        ("if True:",),
        "where it is not so the block is too long to be parsed",
    ),
    Equivalent(
        "eic_sshd/decide/cache.py",
        "Cache.signer_lock",
        "if not self._signer_lock.acquire(timeout=max(deadline.remaining(), 0)):",
        ("if not self._signer_lock.acquire(timeout=max(deadline.remaining(), 1)):",),
        "a second more where the time is over: a test of it would assert a time",
    ),
    Equivalent(
        "eic_sshd/decide/cache.py",
        "Cache.store_grant",
        "if len(self._grants) >= _MAX_GRANTS:",
        ("if True:",),
        "what has ended may be forgotten at any time",
    ),
    Equivalent(
        "eic_sshd/client.py",
        "exchange",
        "connection.close()",
        ("pass",),
        "it is closed when nothing refers to it any more",
    ),
    Equivalent(
        "eic_sshd/client.py",
        "parse",
        "if name not in options or not (equals or rest):",
        ("if name not in options or not (((rest))):",),
        "where nothing follows the option there is no user either",
    ),
    Equivalent(
        "eic_sshd/client.py",
        "exchange",
        "connection.settimeout(max(deadline - started, 0.001))",
        (
            "connection.settimeout(max(deadline - started, 1.001))",
            "connection.settimeout(max((deadline), 0.001))",
            "connection.settimeout(max((started), 0.001))",
        ),
        "a Unix socket with any time limit does not wait for room in a queue; what follows sets limits of its own",
    ),
    Equivalent(
        "eic_sshd/client.py",
        "exchange",
        "connection.settimeout(max(deadline - time.monotonic(), 0.001))",
        ("connection.settimeout(max(deadline - time.monotonic(), 1.001))",),
        "a second more where the time is over: a test of it would assert a time",
    ),
    Equivalent(
        "eic_sshd/client.py",
        "exchange",
        "peer = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)",
        (
            "peer = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 13)",
            "peer = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, (11))",
        ),
        "the uid is in the first eight bytes",
    ),
    Equivalent(
        "eic_sshd/client.py",
        "exchange",
        "chunk = connection.recv(65536)",
        ("chunk = connection.recv(65537)", "chunk = connection.recv((65535))"),
        "whatever is left comes with the next call",
    ),
    Equivalent(
        "eic_sshd/client.py",
        "exchange",
        "if len(received) < 5 <= len(received + chunk):",
        (
            "if len(received) <= 5 <= len(received + chunk):",
            "if ((5 <= len(received + chunk))):",
        ),
        "computed again from the same five bytes, or from fewer before these are there",
    ),
    Equivalent(
        "eic_sshd/client.py",
        "exchange",
        'deadline = started + int.from_bytes((received + chunk)[1:5], "big") / 1000',
        (
            'deadline = started + int.from_bytes((received + chunk)[2:5], "big") / 1000',
            'deadline = started + int.from_bytes((received + chunk)[1:5], "big") / 1001',
            'deadline = started + int.from_bytes((received + chunk)[1:5], "big") / (999)',
        ),
        "no answer is announced for more than 2**24 ms; a thousandth more or less",
    ),
    Equivalent(
        "eic_sshd/trust/ocsp_response.py",
        "may_concern",
        _SERIAL % "< 0",
        (_SERIAL % "<= 0", _SERIAL % "< 1", _SERIAL % "< (-1)"),
        "0 and 1, and -1 and 0, need one byte each",
    ),
    Equivalent(
        "eic_sshd/trust/ocsp_response.py",
        "Response._read_singles",
        "return [(one.serial_number, one) for one in itertools.islice(singles, MAX_ANSWERS + 1)]",
        ("return [(one.serial_number, one) for one in itertools.islice(singles, MAX_ANSWERS + 2)]",),
        "one answer too many is as good as two",
    ),
    Equivalent(
        "eic_sshd/decide/authorizer.py",
        "Authorizer.cached",
        "if self._stored_grant(invocation) is None:",
        ("if False:",),
        "saves the checks where there is nothing to check",
    ),
    Equivalent(
        "eic_sshd/decide/authorizer.py",
        "Authorizer.cached",
        "self._dependencies.hardware.require_ec2()",
        ("pass",),
        "require_instance, which follows for every grant, asks for more",
    ),
    Equivalent(
        "eic_sshd/decide/authorizer.py",
        "Authorizer._stored_grant",
        "if invocation.fingerprint is None:",
        ("if False:",),
        "nothing is stored under None",
    ),
    Equivalent(
        "eic_sshd/decide/authorizer.py",
        "Authorizer._judge",
        "checks.require_fingerprint(key, fingerprint)",
        ("pass",),
        "pushed.read gives only blocks with that key; this holds the parsed key to it once more",
    ),
    Equivalent(
        "eic_sshd/decide/checks.py",
        "",
        _USER_NAME % ("2,32", "1,32"),
        (_USER_NAME % ("1,32", "1,32"), _USER_NAME % ("2,32", "1,33"), _USER_NAME % ("2,32", "1,31")),
        "the other half of the pattern asks for a second character, and the first for 32 at the most",
    ),
    Equivalent(
        "eic_sshd/decide/checks.py",
        "seconds_valid",
        "return left if 0 < left <= longest else longest",
        ("return left if 0 < left < longest else longest",),
        "both are the same where they are equal",
    ),
    Equivalent(
        "eic_sshd/trust/path.py",
        "_Search.__init__",
        "authorities = [one for one in chain[1:] if one.der not in known and self._is_usable(one, root=False)]",
        (
            "authorities = [one for one in chain[1:] if True and self._is_usable(one, root=False)]",
            "authorities = [one for one in chain[1:] if ((self._is_usable(one, root=False)))]",
        ),
        "a path ends at the first root that it comes to, whether the chain brings that one along or not",
    ),
    Equivalent(
        "eic_sshd/trust/path.py",
        "_Search.paths",
        "partial[path[-1].der] += 1",
        ("pass", "partial[path[-(0)].der] += 1", "partial[path[-1].der] += (0)"),
        "bounds the search: the paths beyond the fourth that it finds are not put to OpenSSL",
    ),
    Equivalent(
        "eic_sshd/trust/path.py",
        "_Search.paths",
        "if partial[path[-1].der] > _MAX_PATHS:",
        ("if False:", "if partial[path[-(0)].der] > _MAX_PATHS:"),
        "as above",
    ),
    Equivalent(
        "eic_sshd/trust/path.py",
        "_Search._roots_of",
        "found = (root for root in _readable(trusted.certificates, names) if root.der != self._signer.der)",
        ("found = (root for root in _readable(trusted.certificates, names) if True)",),
        "a root is a CA's, and the signer is not",
    ),
    Equivalent(
        "eic_sshd/trust/path.py",
        "_Search._link",
        "if certificate.der != self._signer.der and certificate.der not in (one.der for one in genuine):",
        (
            "if ((certificate.der not in (one.der for one in genuine))):",
            "if True and certificate.der not in (one.der for one in genuine):",
        ),
        "no certificate is in a path twice, and the signer is in every one already",
    ),
    Equivalent(
        "eic_sshd/trust/path.py",
        "_readable",
        "if subjects is None or subject(der) in subjects:",
        ("if True or subject(der) in subjects:", "if subjects is None or True:"),
        "saves reading a whole bundle",
    ),
    Equivalent(
        "eic_sshd/model/signed_key.py",
        "split",
        "at = 0",
        ("at = (-1)",),
        "re takes a position before the beginning for it",
    ),
    Equivalent(
        "eic_sshd/model/signed_key.py",
        "_block_at",
        'raise MalformedBlock("no block begins here")',
        ("pass",),
        "the pattern also matches nothing at all: this is for the type checker",
    ),
    Equivalent("eic_sshd/model/signed_key.py", "_block_at", "if block is None:", ("if False:",), "as above"),
    Equivalent(
        "eic_sshd/model/signed_key.py",
        "_first_field",
        _FIRST_FIELD,
        ("while start > 1 and key_line - start <= _MAX_BLOCK_BYTES:",),
        "a line that begins at the second byte has an empty one above it",
    ),
    Equivalent(
        "eic_sshd/model/signed_key.py",
        "_first_field",
        _FIRST_FIELD,
        (
            "while ((start > 0)):",
            "while start > 0 and True:",
            "while start > 0 and key_line - start < _MAX_BLOCK_BYTES:",
        ),
        "bounds the work: what is longer is malformed wherever it begins",
    ),
    Equivalent(
        "eic_sshd/model/signed_key.py",
        "_signature",
        _DECODED % (_SIGNATURE, "(binascii.Error, ValueError)"),
        (_DECODED % (_SIGNATURE, "(ValueError, )"), _DECODED % (_SIGNATURE, "(binascii.Error, )")),
        "binascii.Error is a ValueError, and the only one that bytes can lead to",
    ),
    Equivalent(
        "eic_sshd/model/public_key.py",
        "has_fingerprint",
        'digest = hashlib.new("md5", blob, usedforsecurity=False).digest()',
        (
            'digest = hashlib.new("md5", blob).digest()',
            'digest = hashlib.new("md5", blob, usedforsecurity=True).digest()',
        ),
        "differs only where OpenSSL is in FIPS mode",
    ),
    Equivalent(
        "eic_sshd/model/public_key.py",
        "_Reader.string",
        "if len(self._blob) - self._at < 4:",
        ("if len(self._blob) - self._at <= 4:", "if len(self._blob) - self._at < 5:"),
        "an empty string at the end is refused by whoever reads it, too",
    ),
    Equivalent(
        "eic_sshd/model/public_key.py",
        "_rsa",
        "if exponent < 3 or exponent % 2 == 0:",
        ("if exponent < (2) or exponent % 2 == 0:",),
        "2 is even",
    ),
    Equivalent(
        "eic_sshd/model/public_key.py",
        "parse",
        "words = re.split(_BLANK, line, maxsplit=2)",
        ("words = re.split(_BLANK, line)", "words = re.split(_BLANK, line, maxsplit=3)"),
        "the first two words are used",
    ),
    Equivalent(
        "eic_sshd/model/public_key.py",
        "parse",
        _DECODED % (_BLOB % ", validate=True", "(binascii.Error, ValueError)"),
        (
            _DECODED % (_BLOB % ", validate=True", "(binascii.Error, )"),
            _DECODED % (_BLOB % ", validate=True", "(ValueError, )"),
        ),
        "binascii.Error is a ValueError, and the only one that bytes can lead to",
    ),
    Equivalent(
        "eic_sshd/model/public_key.py",
        "parse",
        _BLOB % ", validate=True",
        (_BLOB % "", _BLOB % ", validate=False"),
        "what is decoded is encoded and compared again",
    ),
    Equivalent(
        "eic_sshd/client.py",
        "exchange",
        'deadline = started + int.from_bytes((received + chunk)[1:5], "big") / 1000',
        ('deadline = started + int.from_bytes((received + chunk)[(0):5], "big") / 1000',),
        "adds a multiple of 2**32 ms, which Python cuts off for poll(2), whose timeout is an int of milliseconds",
    ),
    Equivalent(
        "eic_sshd/decide/authorizer.py",
        "Authorizer._granted",
        _DECISION % "0",
        (_DECISION % "(-1)",),
        "all grants of one decision are for the same instance",
    ),
    Equivalent(
        "eic_sshd/host/trusted_files.py",
        "",
        "_READ = os.O_RDONLY | os.O_NONBLOCK",
        ("_READ = (os.O_NONBLOCK)",),
        "O_RDONLY is 0",
    ),
    Equivalent(
        "eic_sshd/host/trusted_files.py",
        "read",
        "content = file.read(limit + 1)",
        ("content = file.read(limit + 2)",),
        "one byte too many is as good as two",
    ),
    Equivalent(
        "eic_sshd/host/timed_calls.py",
        "TimedCalls.call",
        "result = results.get(timeout=max(until - time.monotonic(), 0))",
        ("result = results.get(timeout=max(until - time.monotonic(), 1))",),
        "a second more where the time is over: a test of it would assert a time",
    ),
    Equivalent(
        "eic_sshd/host/timed_calls.py",
        "TimedCalls.call",
        "return result[0]",
        ("return result[(-1)]",),
        "it is a tuple of one",
    ),
    Equivalent(
        "eic_sshd/trust/certificate.py",
        "",
        'E = TypeVar("E", bound=x509.ExtensionType)',
        ('E = TypeVar("E")',),
        "is for the type checker",
    ),
    Equivalent(
        "eic_sshd/trust/ocsp_response.py",
        "Response._read_singles",
        _SINGLES % 'response.responses if hasattr(response, "responses") else [response]',
        (_SINGLES % "(response.responses)",),
        "differs only with cryptography before 37; the same tests run with such a version, too",
    ),
    Equivalent(
        "eic_sshd/trust/profile.py",
        "require_root",
        _NAMES_ANOTHER_KEY % (_OTHER_ISSUER, _OTHER_SERIAL),
        (
            _NAMES_ANOTHER_KEY % ("False", _OTHER_SERIAL),
            _NAMES_ANOTHER_KEY % (_OTHER_ISSUER, "False"),
            _NAMES_WITHOUT % _OTHER_ISSUER,
            _NAMES_WITHOUT % _OTHER_SERIAL,
        ),
        "an issuer and a serial number come together or not at all: cryptography makes and parses no other value",
    ),
    Equivalent(
        "eic_sshd/trust/profile.py",
        "require_name",
        "if alternatives is None or name not in names:",
        ("if ((name not in names)):", "if False or name not in names:"),
        "where there is no such extension there are no names: the other half is for the type checker",
    ),
    Equivalent(
        "eic_sshd/imds/session.py",
        "SessionState.__init__",
        "self.token_until = 0.0",
        ("self.token_until = 1.0",),
        "it counts only once there is a token, and is set with it",
    ),
    Equivalent(
        "eic_sshd/imds/session.py",
        "Session.__init__",
        "self._kept_until = 0.0",
        ("self._kept_until = 1.0",),
        "a connection that was never opened is closed, or not",
    ),
    Equivalent(
        "eic_sshd/imds/session.py",
        "Session._body",
        "body: bytes = answer.raw.read(min(limit, _LARGE_BODY) + 1)",
        ("body: bytes = answer.raw.read(min(limit, _LARGE_BODY) + 2)",),
        "one byte more than shows that there is more",
    ),
    Equivalent(
        "eic_sshd/imds/session.py",
        "Session._body",
        "body += answer.raw.read(limit + 1 - len(body))",
        ("body += answer.raw.read(limit + 2 - len(body))",),
        "as above",
    ),
    Equivalent(
        "eic_sshd/decide/authorizer.py",
        "_grants",
        "if verdict.key is not None and verdict.block is not None:",
        (
            "if ((verdict.key is not None)):",
            "if verdict.key is not None and True:",
        ),
        "the verdict of a granted block has both, and no other has a key: the other half is for the type checker",
    ),
    Equivalent(
        "eic_sshd/model/caller_pattern.py",
        "wildcard_matches",
        'if "*" not in pattern and "?" not in pattern:',
        ("if False:", 'if False and "?" not in pattern:', 'if "*" not in pattern and False:'),
        "only faster: what follows compares a pattern without wildcards character by character",
    ),
    Equivalent(
        "eic_sshd/model/caller_pattern.py",
        "wildcard_matches",
        "ends = set(range(min(ends) + least, len(text) + 1))",
        ("ends = set(range(min(ends) + least, len(text) + 2))",),
        "an end beyond the text is neither the text's end nor followed by a character",
    ),
    Equivalent(
        "eic_sshd/host/groups.py",
        "Groups._stored",
        "found, until = self._results.get((user, tuple(groups)), (None, 0.0))",
        ("found, until = self._results.get((user, tuple(groups)), (None, 1.0))",),
        "without a result, its end is not looked at",
    ),
    Equivalent(
        "eic_sshd/host/groups.py",
        "Groups._store",
        "if len(self._results) >= _MAX_RESULTS:",
        ("if True:",),
        "ended results are dropped earlier",
    ),
    Equivalent(
        "eic_sshd/trust/signer.py",
        "Signer.verify",
        "if len(block.signature) != (self.key.key_size + 7) // 8:",
        (
            "if len(block.signature) != ((self.key.key_size)) // 8:",
            "if len(block.signature) != (self.key.key_size + (6)) // 8:",
        ),
        "for a key of a multiple of 8 bits, as all are that OpenSSL makes",
    ),
    Equivalent(
        "eic_sshd/daemon/server.py",
        "Service._dispatch",
        _UNDER_WAY % "10",
        (_UNDER_WAY % "11", _UNDER_WAY % "(9)"),
        "a service that hangs is found out a second earlier or later",
    ),
)
