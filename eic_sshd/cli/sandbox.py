# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd sandbox`: the stand-in for AWS. This file is part of the sandbox's package, not of the instance's."""

from __future__ import annotations

from ..sandbox.commands import configure, run

HELP = "a stand-in for AWS on this machine: IMDSv2, SendSSHPublicKey and their PKI"

__all__ = ["HELP", "configure", "run"]
