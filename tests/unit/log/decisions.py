# SPDX-License-Identifier: Apache-2.0
"""Decisions to be recorded."""

from __future__ import annotations

from eic_sshd.invocation import Invocation
from eic_sshd.model.decision import Decision, Source
from eic_sshd.model.public_key import parse
from eic_sshd.model.reasons import Reason
from testbed import keys

KEY = parse(keys.ed25519_line().encode())
REQUEST = Invocation("ec2-user", KEY.fingerprint, sshd_pid=4242, begun=0.0)
GRANTED = Decision(
    invocation=REQUEST,
    reason=Reason.GRANTED,
    detail="",
    keys=(KEY,),
    callers=("arn:aws:sts::1:assumed-role/Admin/alice",),
    request_ids=("r-1",),
    expires=1700000060,
    instance_id="i-0123456789abcdef0",
    source=Source.IMDS,
    elapsed_us=1234,
)
# A value that looks like the end of a record, and like another record.
HOSTILE = 'a\n2026 sshd: Accepted\r\x1b[2J\x00\u2028\u202e" decision="granted'
