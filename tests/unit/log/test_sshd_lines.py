# SPDX-License-Identifier: Apache-2.0
"""sshd's lines of OpenSSH 9.2 (Debian 12) and 10.0 (Debian 13), and what looks like them."""

from __future__ import annotations

from typing import Optional, Tuple

import pytest

from eic_sshd.log.sshd_lines import Kind, Line, parse

FP = "SHA256:" + "AbC+/012" * 5 + "xyz"
MD5 = "MD5:" + ":".join(["0f"] * 16)
NOT_PERMITTED = "Authentication tried for root with correct key but not from a permitted"
COMMAND = "/usr/lib/eic-sshd/authorized-keys %u %f"

LINES: Tuple[Tuple[str, Line], ...] = (
    (
        f"Accepted publickey for ec2-user from 203.0.113.7 port 50000 ssh2: ED25519 {FP}",
        Line(Kind.ACCEPTED, "ec2-user", "203.0.113.7", 50000, "publickey", FP),
    ),
    (
        f"Accepted publickey for ec2-user from 2001:db8::7 port 50000 ssh2: ED25519-SK {FP}",
        Line(Kind.ACCEPTED, "ec2-user", "2001:db8::7", 50000, "publickey", FP),
    ),
    (
        f"Accepted publickey for ec2-user from UNKNOWN port 65535 ssh2: RSA {FP}",
        Line(Kind.ACCEPTED, "ec2-user", "UNKNOWN", 65535, "publickey", FP),
    ),
    (
        f"Accepted publickey for u from 10.0.0.1 port 1 ssh2: ED25519-CERT {FP} ID alice (serial 0) CA ED25519 {FP}",
        Line(Kind.ACCEPTED, "u", "10.0.0.1", 1, "publickey", FP, is_certificate=True),
    ),
    (
        f"Accepted publickey for u from 10.0.0.1 port 1 ssh2: ED25519 {MD5}",
        Line(Kind.ACCEPTED, "u", "10.0.0.1", 1, "publickey", MD5),
    ),
    (
        "Accepted password for root from 10.0.0.1 port 22 ssh2",
        Line(Kind.ACCEPTED, "root", "10.0.0.1", 22, "password"),
    ),
    (
        "Accepted keyboard-interactive/pam for alice@example.com from 10.0.0.1 port 22 ssh2",
        Line(Kind.ACCEPTED, "alice@example.com", "10.0.0.1", 22, "keyboard-interactive/pam"),
    ),
    (
        f"Partial publickey for ec2-user from 10.0.0.1 port 22 ssh2: ED25519 {FP}",
        Line(Kind.PARTIAL, "ec2-user", "10.0.0.1", 22, "publickey", FP),
    ),
    (
        f"Failed publickey for ec2-user from 10.0.0.1 port 22 ssh2: ED25519 {FP}",
        Line(Kind.FAILED, "ec2-user", "10.0.0.1", 22, "publickey", FP),
    ),
    (
        "Failed password for invalid user admin from 10.0.0.1 port 22 ssh2",
        Line(Kind.FAILED, "admin", "10.0.0.1", 22, "password"),
    ),
    (
        "Failed none for ec2-user from 10.0.0.1 port 22 ssh2 [preauth]",
        Line(Kind.FAILED),
    ),
    (
        f"Failed publickey for invalid user admin from 10.0.0.1 port 22 ssh2: ED25519 {FP}",
        Line(Kind.FAILED, "admin", "10.0.0.1", 22, "publickey", FP),
    ),
    (
        r"Accepted password for CORP\\alice smith from fe80::1%eth0 port 22 ssh2",
        Line(Kind.ACCEPTED, r"CORP\alice smith", "fe80::1%eth0", 22, "password"),
    ),
    (
        r"pam_unix(sshd:session): session opened for user CORP\alice smith(uid=1000) by (uid=0)",
        Line(Kind.OPENED, r"CORP\alice smith"),
    ),
    (
        r"pam_unix(sshd:session): session closed for user CORP\alice smith",
        Line(Kind.CLOSED, r"CORP\alice smith"),
    ),
    (
        r"Connection closed by authenticating user CORP\\\\alice 10.0.0.1 port 22 [preauth]",
        Line(Kind.ENDED, r"CORP\alice", "10.0.0.1", 22),
    ),
    (
        r"Connection closed by invalid user j\\303\\274rgen\\n 10.0.0.1 port 22 [preauth]",
        Line(Kind.ENDED, "jürgen\n", "10.0.0.1", 22),
    ),
    (
        f"Accepted key ED25519 {FP} found at {COMMAND}:1",
        Line(Kind.KEY_FOUND, fingerprint=FP, detail=f"{COMMAND}:1"),
    ),
    (
        f"Accepted key ED25519 {FP} found at /home/ec2-user/.ssh/authorized_keys:12",
        Line(Kind.KEY_FOUND, fingerprint=FP, detail="/home/ec2-user/.ssh/authorized_keys:12"),
    ),
    (
        "pam_unix(sshd:session): session opened for user ec2-user(uid=1000) by (uid=0)",
        Line(Kind.OPENED, "ec2-user"),
    ),
    (
        "pam_unix(sshd:session): session opened for user ec2-user(uid=1000) by ec2-user(uid=0)",
        Line(Kind.OPENED, "ec2-user"),
    ),
    (
        "pam_unix(sshd:session): session opened for user ec2-user by (uid=0)",
        Line(Kind.OPENED, "ec2-user"),
    ),
    ("pam_unix(sshd:session): session closed for user ec2-user", Line(Kind.CLOSED, "ec2-user")),
    (
        'Connection from 10.0.0.1 port 50000 on 10.0.0.2 port 22 rdomain ""',
        Line(Kind.CONNECTION, None, "10.0.0.1", 50000),
    ),
    (
        "Connection closed by authenticating user ec2-user 10.0.0.1 port 22 [preauth]",
        Line(Kind.ENDED, "ec2-user", "10.0.0.1", 22),
    ),
    (
        "Connection reset by invalid user admin 10.0.0.1 port 22 [preauth]",
        Line(Kind.ENDED, "admin", "10.0.0.1", 22),
    ),
    ("Connection closed by 10.0.0.1 port 22 [preauth]", Line(Kind.ENDED, None, "10.0.0.1", 22)),
    (
        "Disconnected from authenticating user ec2-user 10.0.0.1 port 22 [preauth]",
        Line(Kind.ENDED, "ec2-user", "10.0.0.1", 22),
    ),
    (
        "fatal: Timeout before authentication for 10.0.0.1 port 22",
        Line(Kind.ENDED, None, "10.0.0.1", 22),
    ),
    (
        "Timeout before authentication for connection from 10.0.0.1 to 10.0.0.2, pid = 4242",
        Line(Kind.ENDED, None, "10.0.0.1", pid=4242),
    ),
    (
        "Invalid user admin from 10.0.0.1 port 22",
        Line(Kind.DENIED, "admin", "10.0.0.1", 22, detail="Invalid user admin from 10.0.0.1 port 22"),
    ),
    (
        "Invalid user  from 10.0.0.1 port 22",
        Line(Kind.DENIED, "", "10.0.0.1", 22, detail="Invalid user  from 10.0.0.1 port 22"),
    ),
    (
        "User ec2-user from 10.0.0.1 not allowed because not listed in AllowUsers",
        Line(
            Kind.DENIED,
            "ec2-user",
            "10.0.0.1",
            detail="User ec2-user from 10.0.0.1 not allowed because not listed in AllowUsers",
        ),
    ),
    (
        "error: maximum authentication attempts exceeded for ec2-user from 10.0.0.1 port 22 ssh2 [preauth]",
        Line(
            Kind.DENIED,
            "ec2-user",
            "10.0.0.1",
            22,
            detail="maximum authentication attempts exceeded for ec2-user from 10.0.0.1 port 22 ssh2",
        ),
    ),
    (
        "Disconnecting authenticating user ec2-user 10.0.0.1 port 22: Too many authentication failures [preauth]",
        Line(
            Kind.DENIED,
            "ec2-user",
            "10.0.0.1",
            22,
            detail="Disconnecting authenticating user ec2-user 10.0.0.1 port 22: Too many authentication failures",
        ),
    ),
    (
        "fatal: Access denied for user ec2-user by PAM account configuration [preauth]",
        Line(Kind.DENIED, "ec2-user", detail="Access denied for user ec2-user by PAM account configuration"),
    ),
    (
        "pam_unix(sshd:account): account ec2-user has expired (account expired)",
        Line(Kind.DENIED, detail="pam_unix(sshd:account): account ec2-user has expired (account expired)"),
    ),
    (
        "ROOT LOGIN REFUSED FROM 10.0.0.1 port 22",
        Line(Kind.DENIED, None, "10.0.0.1", 22, detail="ROOT LOGIN REFUSED FROM 10.0.0.1 port 22"),
    ),
    (
        "Authentication tried for root with correct key but not from a permitted host (ip=10.0.0.1).",
        Line(
            Kind.DENIED,
            "root",
            detail="Authentication tried for root with correct key but not from a permitted host (ip=10.0.0.1).",
        ),
    ),
    *(
        (
            text,
            Line(Kind.DENIED, user, detail=text.replace("error: ", "").replace(" [preauth]", "")),
        )
        for text, user in (
            (f"{COMMAND}:1: {NOT_PERMITTED} host (host=h, ip=10.0.0.1, required=10.1.0.0/16).", "root"),
            (f"/home/a b/.ssh/authorized_keys:12: {NOT_PERMITTED} host (host=h, ip=1.1.1.1, required=x).", "root"),
            ("error: Refused by key options", None),
            ("User ec2-user not allowed because account is locked", "ec2-user"),
            ("User ec2-user not allowed because shell /bin/zsh does not exist", "ec2-user"),
            ("User ec2-user not allowed because shell /bin/zsh is not executable", "ec2-user"),
            ("User ec2-user not allowed because /etc/nologin exists", "ec2-user"),
            ("User ec2-user password has expired (password aged)", "ec2-user"),
            ("Account ec2-user has expired", "ec2-user"),
        )
    ),
    (
        'error: Could not stat AuthorizedKeysCommand "/usr/lib/x": No such file or directory',
        Line(Kind.ERROR, detail='Could not stat AuthorizedKeysCommand "/usr/lib/x": No such file or directory'),
    ),
    (
        'error: Unsafe AuthorizedKeysCommand "/x": bad ownership or modes for directory /',
        Line(Kind.ERROR, detail='Unsafe AuthorizedKeysCommand "/x": bad ownership or modes for directory /'),
    ),
    (
        'error: AuthorizedKeysCommandUser "x" not found',
        Line(Kind.ERROR, detail='AuthorizedKeysCommandUser "x" not found'),
    ),
)


@pytest.mark.parametrize(("text", "line"), LINES, ids=[text[:60] for text, _ in LINES])
def test_lines_of_sshd_are_understood(text: str, line: Line) -> None:
    assert parse(text) == line


# What a client sends as its user's name, or what sshd's unprivileged process writes, must not look like a login.
LONG = f"Disconnecting invalid user {'a' * 480} 6.6.6.6 port 1: x"
HOSTILE: Tuple[Tuple[str, Optional[Line]], ...] = (
    (
        "Invalid user a from 10.9.9.9 port 9 from 10.0.0.1 port 22",
        Line(
            Kind.DENIED,
            "a from 10.9.9.9 port 9",
            "10.0.0.1",
            22,
            detail="Invalid user a from 10.9.9.9 port 9 from 10.0.0.1 port 22",
        ),
    ),
    (
        f"Failed password for invalid user x from 9.9.9.9 port 9 ssh2: ED25519 {FP} from 10.0.0.1 port 22 ssh2",
        Line(Kind.FAILED, f"x from 9.9.9.9 port 9 ssh2: ED25519 {FP}", "10.0.0.1", 22, "password"),
    ),
    (f"Accepted publickey for root from 10.0.0.1 port 22 ssh2: ED25519 {FP} [preauth]", None),
    ("Accepted password for root from 10.0.0.1 port 22 ssh2 [preauth]", None),
    ("pam_unix(sshd:session): session opened for user root(uid=0) by (uid=0) [preauth]", None),
    (f"Accepted key ED25519 {FP} found at /x:1 [preauth]", None),
    ("Connection closed by 10.0.0.1 port 22", None),
    (f"Received disconnect from 10.0.0.1 port 22:11: /x:1: {NOT_PERMITTED} host ().", None),
    (f"/x:1: {NOT_PERMITTED} host (). [preauth]", None),
    ("x Accepted password for root from 10.0.0.1 port 22 ssh2", None),
    ("Accepted password for root from 10.0.0.1 port 99999999999 ssh2", None),
    # The ID of a certificate.
    (
        f"Accepted publickey for root from 127.0.0.1 port 5 ssh2: ED25519-CERT {FP} "
        f"ID x from 6.6.6.6 port 22 ssh2: y (serial 0) CA ED25519 {FP}",
        Line(Kind.ACCEPTED, "root", "127.0.0.1", 5, "publickey", FP, is_certificate=True),
    ),
    (
        f"Partial publickey for root from 127.0.0.1 port 5 ssh2: ED25519-CERT {FP} "
        f"ID x from 6.6.6.6 port 22 ssh2 (serial 0) CA ED25519 {FP}",
        Line(Kind.PARTIAL, "root", "127.0.0.1", 5, "publickey", FP, is_certificate=True),
    ),
    (
        f"Failed publickey for root from 127.0.0.1 port 5 ssh2: ED25519-CERT {FP} "
        f"ID x from 6.6.6.6 port 22 ssh2: y (serial 0) CA ED25519 {FP}",
        Line(Kind.FAILED, "root", "127.0.0.1", 5, "publickey", FP, is_certificate=True),
    ),
    (
        f"Failed publickey for invalid user root from 6.6.6.6 port 1 ssh2: x from 127.0.0.1 port 5 ssh2: ED25519 {FP}",
        Line(Kind.FAILED, None, None, None, "publickey"),
    ),
    # The names of a service and of a method.
    (
        "Disconnecting authenticating user root 203.0.113.9 port 46686: Change of username or service not allowed: "
        "(root,ssh-connection) -> (root,q 6.6.6.6 port 1: z) [preauth]",
        Line(
            Kind.DENIED,
            "root",
            "203.0.113.9",
            46686,
            detail="Disconnecting authenticating user root 203.0.113.9 port 46686: Change of username or service not "
            "allowed: (root,ssh-connection) -> (root,q 6.6.6.6 port 1: z)",
        ),
    ),
    (
        "Disconnecting invalid user x 6.6.6.6 port 1: y 203.0.113.9 port 46686: Too many failures [preauth]",
        Line(
            Kind.DENIED,
            detail="Disconnecting invalid user x 6.6.6.6 port 1: y 203.0.113.9 port 46686: Too many failures",
        ),
    ),
    (
        "Failed x for root from 6.6.6.6 port 1 ssh2: for alice from 203.0.113.9 port 22 ssh2 [preauth]",
        Line(Kind.FAILED),
    ),
    # A name that is so long that sshd has no room for the address behind it.
    (f"Connection closed by invalid user {'a' * 480} 6.6.6.6 port 1 [preauth]", Line(Kind.ENDED)),
    (LONG, Line(Kind.DENIED, detail=LONG)),
    (
        "Connection closed by invalid user x 6.6.6.6 port 1 203.0.113.9 port 22 [preauth]",
        Line(Kind.ENDED, "x 6.6.6.6 port 1", "203.0.113.9", 22),
    ),
    ("Accepted password for root from 10.0.0.1 port 22 ssh2\nx", None),
    ("pam_unix(sudo:session): session opened for user root(uid=0) by (uid=0)", None),
    ("Invalid user " + "a" * 5000 + " from 10.0.0.1 port 22", None),
    ("", None),
    ("Server listening on 0.0.0.0 port 22.", None),
    ("Received SIGHUP; restarting.", None),
    ("Received disconnect from 10.0.0.1 port 22:11: Accepted password for root [preauth]", None),
)


@pytest.mark.parametrize(("text", "line"), HOSTILE, ids=[text[:60] for text, _ in HOSTILE])
def test_text_of_a_client_imitates_no_other_line(text: str, line: Optional[Line]) -> None:
    assert parse(text) == line
