# SPDX-License-Identifier: Apache-2.0
"""Whether IMDS can be used by the user that sshd runs eic-sshd as, and whether it is EC2's, from what was observed.

EC2 User Guide, "Use IMDSv2" and "Modify instance metadata options": 403 means that it is turned off; the answer to the
request for a token has a hop limit, 1 by default, so that it does not reach a container behind another router.
"""

from __future__ import annotations

import re
from typing import Iterator, NamedTuple

from .finding import Finding, error, ok, warning
from .imds_probe import Answer, Observation

IPV4, IPV6 = "http://169.254.169.254", "http://[fd00:ec2::254]"
_SERVER = "EC2ws"  # the Server field of IMDS


class ImdsFacts(NamedTuple):
    """What is known beside the observation.

    `user` tried it, and `root_refusal` is why root could not connect (empty if it could). `tag` is the board asset tag,
    empty where there is none. `has_own_roots`: [trust] ca_file is set, so IMDS is not EC2's. `removal` is a command
    that removes the firewall's rule for this user, empty if none is known.
    """

    user: str
    root_refusal: str = ""
    tag: str = ""
    has_own_roots: bool = False
    removal: str = ""

    @property
    def instance(self) -> str:
        """The instance id, for a command."""
        return self.tag if re.fullmatch("i-[0-9a-f]{8,32}", self.tag) else "INSTANCE_ID"


def findings(seen: Observation, facts: ImdsFacts) -> Iterator[Finding]:
    """What is wrong with the configured endpoint; one finding OK if nothing is."""
    if seen.refusal:
        yield _refused(seen, facts)
    elif seen.silent:
        yield error(
            "imds-hop-limit",
            seen.endpoint,
            "it accepts a connection and answers no request for a token, as where the hop limit is too low for a "
            "container",
            f"Run `{_modify(facts)} --http-endpoint enabled --http-put-response-hop-limit 2` where AWS's API may be "
            "used",
        )
    elif seen.token is None:
        yield error("imds-error", seen.endpoint, f"its answer cannot be read ({seen.failure})")
    else:
        yield from _answered(seen, seen.token, facts)


def _refused(seen: Observation, facts: ImdsFacts) -> Finding:
    if facts.user != "root" and not facts.root_refusal:
        rules = "`nft list ruleset` or `iptables -S OUTPUT` shows the rule"
        return error(
            "imds-blocked-for-user",
            seen.endpoint,
            f"{facts.user} cannot connect to it, and root can, as with a firewall rule for that user ({seen.refusal})",
            f"Run `{facts.removal}`" if facts.removal else f"Remove the rule that denies {facts.user}: {rules}",
        )
    return error(
        "imds-unreachable",
        seen.endpoint,
        f"no connection to it can be made ({seen.refusal})",
        "Check the firewall, and the routes to it (`ip route get ADDRESS`)",
    )


def _answered(seen: Observation, token: Answer, facts: ImdsFacts) -> Iterator[Finding]:
    yield from _impostor(seen, token, facts)
    if token.status == 403:
        yield error(
            "imds-disabled",
            seen.endpoint,
            "it is turned off for this instance (it answers 403)",
            f"Run `{_modify(facts)} --http-endpoint enabled` where AWS's API may be used",
        )
    elif not seen.has_token:
        problem = f"its answer to a request for a token is not a token (status {token.status})"
        yield error("imds-error", seen.endpoint, problem)
    elif seen.instance_id:
        yield ok("imds-answers", seen.endpoint, f"it answers {facts.user} as instance {seen.instance_id}")
    else:
        yield error("imds-error", seen.endpoint, "it gives no instance id")


def _impostor(seen: Observation, token: Answer, facts: ImdsFacts) -> Iterator[Finding]:
    """Signs that another program answers in place of IMDS. Any of them can be forged away by an attacker."""
    remedy = "Look for a proxy on the way, and for ARP or router-advertisement spoofing from a container on this host"
    if token.via:
        problem = f"a proxy answers in place of IMDS (Via: {token.via})"
        yield error("imds-impostor", seen.endpoint, problem, remedy)
    elif facts.tag.startswith("i-") and seen.instance_id not in ("", facts.tag):
        problem = f"it reports instance {seen.instance_id}, but the board asset tag is {facts.tag}"
        yield error("imds-impostor", seen.endpoint, problem, remedy)
    elif token.server != _SERVER and facts.has_own_roots:
        problem = f"it is not EC2's (Server: {token.server or 'none'}), as [trust] ca_file suggests"
        yield warning("imds-unusual-server", seen.endpoint, problem, "Nothing to do on a machine for tests")
    elif token.server != _SERVER:
        problem = f"another program seems to answer in place of IMDS (Server: {token.server or 'none'})"
        yield warning("imds-impostor", seen.endpoint, problem, remedy)


def other_address(seen: Observation, endpoint: str) -> Iterator[Finding]:
    """About the address of IMDS that is not the configured `endpoint`."""
    if seen.token is None or seen.token.status != 200:
        yield ok("imds-other-address", seen.endpoint, f"not used; [imds] endpoint is {endpoint}")
    elif seen.token.server != _SERVER or seen.token.via:
        yield warning(
            "imds-other-impostor",
            seen.endpoint,
            f"another program answers at this address of IMDS, which is not used (Server: {seen.token.server})",
        )
    else:
        yield ok("imds-other-address", seen.endpoint, f"it answers too; [imds] endpoint is {endpoint}")


def _modify(facts: ImdsFacts) -> str:
    return f"aws ec2 modify-instance-metadata-options --instance-id {facts.instance}"
