# SPDX-License-Identifier: Apache-2.0
"""`make docs`: makes docs/reasons.md, manual pages, the example configuration, the catalogue and completions."""

from __future__ import annotations

import os
import sys
from typing import Dict

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from eic_sshd.cli import build_parser  # noqa: E402
from eic_sshd.decide.chained_command import MESSAGE_ID  # noqa: E402
from eic_sshd.model.outcome import Outcome  # noqa: E402
from eic_sshd.model.reasons import Reason  # noqa: E402
from tools import completions  # noqa: E402 - imported from the repository
from tools.catalog import catalog  # noqa: E402
from tools.conf_example import conf_example  # noqa: E402
from tools.conf_manual import conf_manual  # noqa: E402
from tools.subcommand_manual import manual_pages  # noqa: E402

_SEVERITIES = {3: "err", 4: "warning", 5: "notice", 6: "info", 7: "debug"}

_HEAD = """\
# Reasons

Each decision leaves one record. Its field `EIC_REASON` (in JSON lines: `reason`) is one of the reasons on this page,
and its field `EIC_DECISION` is the heading above the reason. A login with a pushed key leaves two records, because sshd
runs its command twice: when the client offers the key, and when the client signs with it. `make docs` makes this page
from the code.

## No record

sshd did not run eic-sshd. sshd's own log (`journalctl -u ssh`, `-u sshd`) shows why:

- the user does not exist ("Invalid user"), or sshd denies the user (`AllowUsers`, `DenyUsers`, ...);
- the key is on disk, where sshd looks first (since OpenSSH 8.1), or sshd does not support the key's type, such as DSA;
- the client offered too many other keys before ("Too many authentication failures"): use
  `ssh -o IdentitiesOnly=yes -i KEY`;
- the client connected too often (`PerSourcePenalties` of OpenSSH 9.8 and later, `MaxStartups`);
- sshd does not run eic-sshd: `eic-sshd doctor`, as root, names the cause.
"""

_CHAINED = f"""
## A chained command

Where `[chain] command` is set, each run of that command leaves a record of its own, beside the decision's record.
`MESSAGE_ID={MESSAGE_ID}`

The record has `EIC_CHAIN_COMMAND`; `EIC_CHAIN_STATUS`, the exit status, unless a signal ended the command; and
`EIC_USER`, `EIC_FINGERPRINT`, `EIC_SSHD_PID` and `EIC_ELAPSED_US` with the same meaning as in a decision's record.
Severity: info for exit status 0, otherwise warning. With a warning sshd received nothing of the command's output, and
the message says why.
"""

_INTROS = {
    Outcome.GRANTED: "sshd received a pushed key.",
    Outcome.NONE: "sshd received no key, because there was none. sshd's other login methods remain.",
    Outcome.REFUSED: "sshd received no key, because a check failed. sshd's other login methods remain.",
    Outcome.FALLBACK: "sshd received keys on disk, from `[fallback] keys_file`.",
    Outcome.ERROR: "sshd received no key, because a check was not possible. sshd's other login methods remain.",
}


def reasons() -> str:
    """The text of docs/reasons.md."""
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
    """The text of each generated file, by its path in the repository. Completions are left out without shtab."""
    scripts = _completions() if completions.is_possible() else {}
    return {
        "docs/reasons.md": reasons(),
        "docs/man/eic-sshd.conf.5": conf_manual(),
        "etc/eic-sshd.conf": conf_example(),
        "systemd/catalog/eic-sshd.catalog": catalog(),
        **{f"docs/man/{name}": text for name, text in manual_pages().items()},
        **{f"packaging/completions/{name}": text for name, text in scripts.items()},
    }


def _completions() -> Dict[str, str]:
    from eic_sandbox import cli as sandbox  # it needs libraries that eic-sshd does not need

    return {
        name: text
        for parser in (build_parser(), sandbox.build_parser())
        for name, text in completions.completions(parser).items()
    }


if __name__ == "__main__":
    for path, text in generated().items():
        with open(os.path.join(ROOT, path), "w", encoding="utf-8") as file:
            file.write(text)
    if not completions.is_possible():
        print("packaging/completions/ is as it was: it needs shtab, which `make setup` installs.", file=sys.stderr)
