# SPDX-License-Identifier: Apache-2.0
"""Writes what is made from the code: docs/reasons.md, eic-sshd.conf(5) and etc/eic-sshd.conf. `make docs`."""

from __future__ import annotations

import os
import sys
from typing import Dict

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from eic_sshd.config.loader import commented_file  # noqa: E402
from eic_sshd.decide.chained_command import MESSAGE_ID  # noqa: E402
from eic_sshd.model.decision import Outcome, Reason  # noqa: E402
from tools.conf_manual import conf_manual  # noqa: E402 - the repository comes first

_SEVERITIES = {3: "err", 4: "warning", 5: "notice", 6: "info", 7: "debug"}

_HEAD = """\
# Reasons

Every decision leaves one record. Its `EIC_REASON` (in JSON lines: `reason`) is one of the words below; `EIC_DECISION`
is the heading it stands under. A login with a pushed key leaves two: sshd asks when the key is offered, and again when
it is used. This page is made from the code by `make docs`.

## No record at all

Then sshd did not ask. sshd's own log (`journalctl -u ssh`, `-u sshd`) says what it made of the login:

- the user is not there ("Invalid user"), or not to log in (`AllowUsers`, `DenyUsers`, ...);
- the key is on disk (sshd looks there first, since OpenSSH 8.1), or of a type that sshd takes from nobody, such as DSA;
- the client had offered too many other keys ("Too many authentication failures"): `ssh -o IdentitiesOnly=yes -i KEY`;
- the client came too often (`PerSourcePenalties` of OpenSSH 9.8 and later, `MaxStartups`);
- it is not configured to run eic-sshd: `eic-sshd check-config`, as root, reports that.
"""

_CHAINED = f"""
## A chained command

Where `[chain] command` is set, each run of it leaves a record of its own, beside the decision's.
`MESSAGE_ID={MESSAGE_ID}`

It has `EIC_CHAIN_COMMAND`; `EIC_CHAIN_STATUS`, the exit status, unless it did not end by itself; `EIC_USER`,
`EIC_FINGERPRINT`, `EIC_SSHD_PID` and `EIC_ELAPSED_US` as a decision has them. Severity: info where it ended with status
0, and warning otherwise: then nothing that it printed was handed to sshd, and the message says why.
"""

_INTROS = {
    Outcome.GRANTED: "A pushed key was handed to sshd.",
    Outcome.NONE: "There was nothing to hand out; sshd's other ways in are left.",
    Outcome.REFUSED: "Nothing was handed out, because a check failed; sshd's other ways in are left.",
    Outcome.FALLBACK: "On-disk keys of `[fallback] keys_file` were handed to sshd.",
    Outcome.ERROR: "Nothing was handed out, because a check could not be made; sshd's other ways in are left.",
}


def reasons() -> str:
    """docs/reasons.md."""
    parts = [_HEAD]
    for outcome in Outcome:
        parts.append(f"\n## {outcome.value}\n\n{_INTROS[outcome]} `MESSAGE_ID={outcome.message_id}`\n")
        parts += [_reason(reason) for reason in Reason if reason.outcome is outcome]
    return "".join([*parts, _CHAINED])


def _reason(reason: Reason) -> str:
    severity = _SEVERITIES[reason.severity]
    counts = "; counts as `unavailable` for `[fallback] when`" if reason.unavailable else ""
    return f"\n### `{reason.word}`\n\n{reason.meaning}\n\nWhat to do: {reason.remedy}\n\nSeverity: {severity}{counts}\n"


def generated() -> Dict[str, str]:
    """The text of each generated file, by its path in the repository."""
    return {
        "docs/reasons.md": reasons(),
        "docs/man/eic-sshd.conf.5": conf_manual(),
        "etc/eic-sshd.conf": commented_file(),
    }


if __name__ == "__main__":
    for path, text in generated().items():
        with open(os.path.join(ROOT, path), "w", encoding="utf-8") as file:
            file.write(text)
