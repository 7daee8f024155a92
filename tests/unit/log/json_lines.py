# SPDX-License-Identifier: Apache-2.0
"""Lines of a file of records."""

from __future__ import annotations

import datetime
import json

from eic_sshd.model.outcome import Outcome

from .journal import CALLER, KEY

PID = 4242


def line(at: int, pid: int = PID) -> str:
    """A grant."""
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(microseconds=at)
    fields = {"decision": "granted", "reason": "granted", "user": "ec2-user", "fingerprint": KEY, "caller": CALLER}
    shown = {"timestamp": moment.isoformat(timespec="microseconds"), **fields, "sshd_pid": pid}
    return json.dumps({**shown, "message": "m", "message_id": Outcome.GRANTED.message_id}) + "\n"
