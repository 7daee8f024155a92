# SPDX-License-Identifier: Apache-2.0
"""Options of authorized_keys: those that log in, and those that are refused and why. A real sshd agrees with them."""

from __future__ import annotations

from typing import List, Tuple

# With these, a client at 127.0.0.1 logs in.
LOG_IN: List[str] = [
    "restrict",
    "RESTRICT,PTY",
    "restrict,pty,agent-forwarding,port-forwarding,X11-forwarding,user-rc",
    "no-pty,no-agent-forwarding,no-port-forwarding,no-X11-forwarding,no-user-rc",
    "no-touch-required",
    "no-pty,restrict",
    "pty",
    "X11-forwarding,pty",
    "touch-required,no-verify-required",
    'command="/usr/bin/id -un"',
    'command="echo \\"a, b\\" >/dev/null; id -un",restrict',
    'restrict,command="/usr/bin/id -un # C:\\path"',
    'environment="A=1",environment="B_2=x y=z"',
    'expiry-time="20991231"',
    'expiry-time="209912312359"',
    'expiry-time="20991231235959"',
    'from="127.0.0.1"',
    'from="10.0.0.0/8,127.0.0.0/8,!127.0.0.2"',
    'from="*.example.com,127.*,2001:db8::/32,host-?"',
    'permitopen="localhost:80",permitopen="[::1]:443",permitopen="192.0.2.1:*"',
    'permitlisten="8080",permitlisten="localhost:8081",permitlisten="*:*"',
    'permitopen="a:1",permitopen="b:65535",permitopen="c:8"',
    'tunnel="0"',
    'tunnel="999999999"',
    'restrict,tunnel="any"',
]

# (options, a part of the message): sshd ignores a line with these.
IGNORED: List[Tuple[str, str]] = [
    ("restrict, pty", "without blanks"),
    ("restricted", "in place of restricted"),
    ("no-restrict", "in place of no-restrict"),
    ("un-pty", "in place of un-pty"),
    ("no-command", "in place of no-command"),
    ("pty=yes", "between double quotes"),
    ('pty="yes"', "Give pty no value"),
    ("command", "Give command a value"),
    ("command=id", "between double quotes"),
    ('command="id', "between double quotes"),
    ('command="id"x', "in place of x"),
    ('command="id",command="id"', "Set command once"),
    ('from="127.0.0.1",from="127.0.0.1"', "Set from once"),
    ('environment="A"', "NAME=VALUE"),
    ('environment="A B=1"', "NAME=VALUE"),
    ('expiry-time="tomorrow"', "YYYYMMDD"),
    ('expiry-time="2099123"', "YYYYMMDD"),
    ('expiry-time="2099123112"', "YYYYMMDD"),
    ('expiry-time="20991231x"', "YYYYMMDD"),
    ('expiry-time="20991331"', "YYYYMMDD"),
    ('permitopen="localhost"', "HOST:PORT"),
    ('permitopen="localhost:0"', "HOST:PORT"),
    ('permitopen="localhost:65536"', "HOST:PORT"),
    ('permitopen="localhost:http2"', "HOST:PORT"),
    ('permitopen="localhost:80x"', "HOST:PORT"),
    ('permitopen="localhost:80:90"', "HOST:PORT"),
    ('permitopen="localhost:"', "HOST:PORT"),
    ('permitlisten="a:b:80"', "permitlisten"),
    ('permitlisten="a:80:b"', "permitlisten"),
    ('permitlisten="localhost:x"', "permitlisten"),
    ('tunnel="eth0"', "tunnel"),
    ('tunnel="1x"', "tunnel"),
    ('tunnel=""', "tunnel"),
    ("cert-authority", "Remove cert-authority"),
    ('principals="a"', "Remove principals"),
]

# sshd accepts the line. It is refused all the same, since no client or not every one can log in by it, or an option has
# no effect, or its syntax is not the one in sshd(8).
STRICTER: List[Tuple[str, str]] = [
    ("restrict,pty,", "comma at the end"),
    ("restrict,,pty", "in place of ,pty"),
    (",restrict", "in place of ,restrict"),
    ("pty,restrict", "Put restrict before pty"),
    ('no-user-rc,command="id",PTY,restrict,agent-forwarding', "Put restrict before PTY"),
    ("pty,no-pty", "Set pty once"),
    ("restrict,restrict", "Set restrict once"),
    ('tunnel="1",tunnel="2"', "Set tunnel once"),
    ('expiry-time="20991231",expiry-time="20991231"', "Set expiry-time once"),
    ('command=" "', "Name a program"),
    ('from="!10.0.0.1"', "an address that may log in"),
    ('from="127.0.0.1,!;x"', "in place of ;x"),
    ('permitopen="localhost:000080"', "HOST:PORT"),
    ('tunnel="1000000000"', "tunnel"),
    ('from="10.0.0.0/99"', "ADDRESS/BITS"),
    ('from="10.0.0.1/8"', "ADDRESS/BITS"),
    ('from="127.0.0.1, 127.0.0.2"', "in place of  127.0.0.2"),
    ('from=""', "in place of nothing"),
    ('from="127.0.0.1;"', "in place of 127.0.0.1;"),
]
