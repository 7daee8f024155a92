# SPDX-License-Identifier: Apache-2.0
"""Why a decision came out as it did: the vocabulary of every record and every document."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Sequence, Tuple

from .outcome import ERR, INFO, NOTICE, WARNING, Outcome

if TYPE_CHECKING:
    from .verdict import Verdict

_LOOK_AT_GROUPS = "Look at `id USER`, `getent group NAME` and the directory service. Correct the name of the group."


class Reason(enum.Enum):
    """Why a decision came out as it did.

    Each reason knows its `word` (the record's EIC_REASON), the `outcome` it leads to, its syslog
    `severity`, whether it means that no pushed key is available at all (`unavailable`), its `meaning`,
    and what an administrator can do about it (`remedy`).
    """

    def __init__(
        self, word: str, outcome: Outcome, severity: int, unavailable: bool, meaning: str, remedy: str
    ) -> None:
        self.word = word
        self.outcome = outcome
        self.severity = severity
        self.unavailable = unavailable
        self.meaning = meaning
        self.remedy = remedy

    GRANTED = (
        "granted", Outcome.GRANTED, NOTICE, False,
        "A pushed key passed every check and was handed to sshd.",
        "Nothing: this is a login through EC2 Instance Connect. EIC_CALLER names who pushed the key.",
    )  # fmt: skip
    NO_ACTIVE_KEYS = (
        "no-active-keys", Outcome.NONE, INFO, False,
        "No key is pushed for this user now. This is the usual answer for the other keys that a client offers.",
        "If a key was pushed: check that it was pushed to this instance, for this OS user, within the last 60 seconds.",
    )  # fmt: skip
    FINGERPRINT_MISMATCH = (
        "fingerprint-mismatch", Outcome.REFUSED, INFO, False,
        "Keys are pushed for this user, but not the one that the client offered.",
        "Nothing, if a client offers several keys. Otherwise use the pushed key (`ssh -o IdentitiesOnly=yes -i KEY`).",
    )  # fmt: skip
    EXPIRED = (
        "expired", Outcome.REFUSED, WARNING, False,
        "The pushed key's Timestamp has passed.",
        "Push the key again, and log in within 60 seconds. If it happens at once, the clock is ahead: set it.",
    )  # fmt: skip
    EXPIRY_BEYOND_WINDOW = (
        "expiry-beyond-window", Outcome.REFUSED, WARNING, False,
        "The pushed key's Timestamp lies further ahead than `window` plus `clock_skew` allow.",
        "If the instance's clock is behind, set it. If it is right, another host may be answering in IMDS's place: "
        "look for ARP or router-advertisement spoofing from a container on this host.",
    )  # fmt: skip
    INSTANCE_MISMATCH = (
        "instance-mismatch", Outcome.REFUSED, WARNING, False,
        "The block is genuine but was signed for another instance.",
        "Another host may be answering in IMDS's place, with keys that were pushed to another instance.",
    )  # fmt: skip
    BAD_SIGNATURE = (
        "bad-signature", Outcome.REFUSED, WARNING, False,
        "The block's signature was not made by the signer over these bytes.",
        "Push the key again: the signer may have changed. If it stays, something alters the answers of IMDS.",
    )  # fmt: skip
    KEY_MALFORMED = (
        "key-malformed", Outcome.REFUSED, WARNING, False,
        "The block's key is not one whole OpenSSH public key.",
        "Push the contents of a `.pub` file as ssh-keygen wrote it.",
    )  # fmt: skip
    KEY_TYPE_FORBIDDEN = (
        "key-type-forbidden", Outcome.REFUSED, WARNING, False,
        "The key's type is not among `[keys] types`. DSA keys and certificates never are.",
        "Push a key of an allowed type, for example one from `ssh-keygen -t ed25519`.",
    )  # fmt: skip
    KEY_TOO_SHORT = (
        "key-too-short", Outcome.REFUSED, WARNING, False,
        "The RSA key is shorter than `[keys] min_rsa_bits`.",
        "Push a longer RSA key (`ssh-keygen -t rsa -b 3072`) or an Ed25519 key.",
    )  # fmt: skip
    BLOCK_MALFORMED = (
        "block-malformed", Outcome.REFUSED, WARNING, False,
        "IMDS gave a block that lacks its Timestamp, Instance, key or signature, or has one twice.",
        "Push the key again. If it stays, what answers at the IMDS address is not EC2's IMDS.",
    )  # fmt: skip
    SIGNER_NAME_MISMATCH = (
        "signer-name-mismatch", Outcome.REFUSED, WARNING, True,
        "The signer certificate's CN, or its dNSNames, are not managed-ssh-signer.REGION.DOMAIN of this instance.",
        "Another host may be answering in place of IMDS. Compare its region and domain with where the instance runs.",
    )  # fmt: skip
    SIGNER_UNTRUSTED = (
        "signer-untrusted", Outcome.REFUSED, WARNING, True,
        "The signer certificate does not chain to a trusted root, or is not a TLS server's in the signer's name.",
        "Check that ca-certificates is installed and current and that `[trust]` is as intended; otherwise another host "
        "may be answering in place of IMDS.",
    )  # fmt: skip
    SIGNER_REVOKED = (
        "signer-revoked", Outcome.REFUSED, ERR, True,
        "A staple reports that a certificate of the signer's chain is revoked. It counts however old it is.",
        "Wait for AWS to rotate the signer, and use an on-disk key meanwhile.",
    )  # fmt: skip
    STAPLE_MISSING = (
        "staple-missing", Outcome.REFUSED, WARNING, True,
        "A certificate in the signer's chain has no OCSP staple.",
        "Try again in a minute: AWS may be replacing the signer. `[trust] require_ocsp = no` accepts revoked ones.",
    )  # fmt: skip
    STAPLE_INVALID = (
        "staple-invalid", Outcome.REFUSED, WARNING, True,
        "A certificate's OCSP staple is unreadable, stale, not GOOD, or not made by its issuer or by a delegated "
        "responder of the issuer that is valid and not revoked; or a staple that may report REVOKED cannot be read or "
        "verified, or there are more or longer staples than are read.",
        "Check the instance's clock first; then try again in a minute.",
    )  # fmt: skip
    OPENSSL_MISSING = (
        "openssl-missing", Outcome.ERROR, ERR, True,
        "OpenSSL's command, which validates the signer's chain, could not be run.",
        "Install the package `openssl`.",
    )  # fmt: skip
    LIBRARY_UNUSABLE = (
        "library-unusable", Outcome.ERROR, ERR, True,
        "A Python library that eic-sshd needs is missing, or the python3 that runs cannot load it.",
        "Let /usr/bin/python3 be the distribution's own Python (`ls -l /usr/bin/python3`): no other version loads the "
        "compiled modules of its libraries. If it is, install python3-cryptography and python3-systemd. "
        "`eic-sshd check-config` names what cannot be loaded.",
    )  # fmt: skip
    DOMAIN_UNKNOWN = (
        "domain-unknown", Outcome.REFUSED, WARNING, True,
        "IMDS reports a `services/domain` that is not the domain of the region that it reports.",
        "Another host may be answering in place of IMDS. If AWS has opened a new partition, upgrade eic-sshd.",
    )  # fmt: skip
    REGION_MISMATCH = (
        "region-mismatch", Outcome.REFUSED, WARNING, True,
        "IMDS reports a region that `[instance] region` does not list.",
        "Add the region to `[instance] region`, if it is meant. Otherwise another host may be answering as IMDS.",
    )  # fmt: skip
    USER_NAME_INVALID = (
        "user-name-invalid", Outcome.REFUSED, INFO, False,
        "EC2 Instance Connect cannot carry this user name, so no key can have been pushed for it.",
        "Use an on-disk key for this user, or an OS user whose name has letters, digits and @ . _ - only.",
    )  # fmt: skip
    NOT_EC2 = (
        "not-ec2", Outcome.REFUSED, INFO, True,
        "This machine is not an EC2 instance, or not the one that IMDS names.",
        "Off EC2 remove eic-sshd, or (for tests against the sandbox) set `[instance] require_ec2_hardware = no`. "
        "On EC2, where the message names another instance, another host may be answering in IMDS's place.",
    )  # fmt: skip
    IMDS_UNREACHABLE = (
        "imds-unreachable", Outcome.ERROR, WARNING, True,
        "IMDS could not be reached, or did not answer within `[imds] request_timeout`.",
        "Check routes and firewall rules for 169.254.169.254 (or [fd00:ec2::254]), also per user: the command runs "
        "as the AuthorizedKeysCommandUser, and eic-sshd.service reaches no other endpoint than these two without "
        "IPAddressAllow= in a drop-in. Where SELinux is enforcing, install eic-sshd-selinux.",
    )  # fmt: skip
    IMDS_DISABLED = (
        "imds-disabled", Outcome.ERROR, WARNING, True,
        "IMDS answered 403: it is turned off for this instance.",
        "Turn it on: `aws ec2 modify-instance-metadata-options --instance-id ID --http-endpoint enabled`.",
    )  # fmt: skip
    IMDS_ERROR = (
        "imds-error", Outcome.ERROR, WARNING, True,
        "IMDS answered with an error or with something invalid, or closed the connection.",
        "Try again; the message names the path and the answer. If it stays, what answers is not EC2's IMDS.",
    )  # fmt: skip
    DEADLINE_EXCEEDED = (
        "deadline-exceeded", Outcome.ERROR, WARNING, True,
        "The decision took longer than `[imds] deadline` in all.",
        "The message names the step that took the time, and (without the daemon) the processor time of the process. If "
        "that is little, the machine is busy with other work. Otherwise look at what the step waits for.",
    )  # fmt: skip
    CONFIG_INVALID = (
        "config-invalid", Outcome.ERROR, ERR, True,
        "The configuration is invalid. No pushed keys are granted until it is fixed.",
        "`eic-sshd check-config` reports what is wrong, and where.",
    )  # fmt: skip
    AUTHORIZER_FAILED = (
        "authorizer-failed", Outcome.ERROR, ERR, True,
        "The resident daemon accepted the request, but gave no whole answer in time.",
        "Look at `systemctl status eic-sshd.service`; restart it if it hangs. While it is stopped, each login is "
        "decided without it, by the same rules.",
    )  # fmt: skip
    INTERNAL_ERROR = (
        "internal-error", Outcome.ERROR, ERR, True,
        "An unforeseen error occurred; no pushed key was granted.",
        "Report it with the record's message. On-disk keys keep working.",
    )  # fmt: skip
    USER_FORBIDDEN = (
        "user-forbidden", Outcome.REFUSED, NOTICE, False,
        "`[users]` denies this user, or allows others only. The chained command and the fallback did not run either.",
        "Nothing, if that is meant; otherwise change `[users] deny` or `allow`.",
    )  # fmt: skip
    USER_SKIPPED = (
        "user-skipped", Outcome.NONE, INFO, False,
        "`[users] skip` has this user, so IMDS was not read.",
        "Nothing, if that is meant; otherwise change `[users] skip`.",
    )  # fmt: skip
    USER_GROUPS_UNKNOWN = (
        "user-groups-unknown", Outcome.ERROR, WARNING, False,
        "`[users] deny` or `allow` has a group that is not known now. Chained command and fallback did not run either.",
        _LOOK_AT_GROUPS,
    )  # fmt: skip
    SKIP_GROUPS_UNKNOWN = (
        "skip-groups-unknown", Outcome.ERROR, WARNING, False,
        "`[users] skip` has a group that could not be looked up, or that does not exist. IMDS was not read.",
        _LOOK_AT_GROUPS,
    )  # fmt: skip
    GROUPS_UNKNOWN = (
        "groups-unknown", Outcome.ERROR, WARNING, True,
        "A `[policy]` for this caller has a group that could not be looked up, or that does not exist.",
        _LOOK_AT_GROUPS,
    )  # fmt: skip
    CALLER_FORBIDDEN = (
        "caller-forbidden", Outcome.REFUSED, NOTICE, False,
        "The key was pushed by a caller whom no `[policy]` lets log in as this user.",
        "Nothing, if that is meant; otherwise add the caller (EIC_CALLER) and the user to a `[policy]`. root and "
        "system accounts must be named there, and sshd must pass the uid: `eic-sshd enable` writes that line.",
    )  # fmt: skip
    CALLER_MISSING = (
        "caller-missing", Outcome.REFUSED, WARNING, False,
        "The signed block names no caller, and `[policy]` needs one.",
        "The key was not pushed through EC2 Instance Connect's API as documented. Report it to AWS.",
    )  # fmt: skip
    CALLER_MALFORMED = (
        "caller-malformed", Outcome.REFUSED, WARNING, False,
        "The signed block names a caller that is not an ARN of IAM or STS.",
        "The record has its text. If AWS has a new kind of caller, upgrade eic-sshd.",
    )  # fmt: skip
    FALLBACK_FILE = (
        "fallback-file", Outcome.FALLBACK, NOTICE, False,
        "Keys from `[fallback] keys_file` were handed to sshd, because no pushed key was granted.",
        "Nothing, if on-disk keys are meant to work; the message has the reason why pushed keys were not used.",
    )  # fmt: skip


class NotGranted(Exception):
    """A check failed, or could not be made: no key is handed out on its account.

    `reason` is for machines, `detail` completes the sentence for a person. `verdicts` are those of the blocks, where
    these were judged and this is the most specific refusal of them.
    """

    def __init__(self, reason: Reason, detail: str, verdicts: Sequence[Verdict] = ()) -> None:
        super().__init__(f"{reason.word}: {detail}")
        self.reason = reason
        self.detail = detail
        self.verdicts: Tuple[Verdict, ...] = tuple(verdicts)
