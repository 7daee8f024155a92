# SPDX-License-Identifier: Apache-2.0
"""An authorizer whose dependencies a test can replace one by one."""

from __future__ import annotations

import os
import time
from typing import Callable, Dict, Optional

from eic_sandbox.cloud.instance import Instance
from eic_sshd.config.schema import Config, build
from eic_sshd.decide.authorizer import Authorizer
from eic_sshd.decide.cache import Cache
from eic_sshd.decide.dependencies import Dependencies
from eic_sshd.decide.fallback import KeysFile
from eic_sshd.host import trusted_files
from eic_sshd.host.hardware import AnyHardware, Hardware
from eic_sshd.invocation import Invocation
from eic_sshd.model.decision import Decision
from eic_sshd.trust import roots
from eic_sshd.trust.roots import Roots
from eic_sshd.trust.signer import SignerVerifier
from testbed.memory_imds import MemoryImds

USER = "ec2-user"


class Scene:
    """An authorizer over an IMDS in memory. Attributes set before `ask` replace its dependencies."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.imds = MemoryImds(instance)
        self.settings: Dict[str, Dict[str, object]] = {}
        self.hardware: Hardware = AnyHardware()
        self.now: Callable[[], float] = time.time
        self.monotonic: Callable[[], float] = time.monotonic
        self.verified = 0
        self.cache: Optional[Cache] = None
        self.roots_for: roots.RootsFor = lambda domain: Roots([instance.pki.root.der], private=True)

    def ask(self, user: str = USER, fingerprint: Optional[str] = None) -> Decision:
        return self.authorizer().decide(Invocation(user, fingerprint, sshd_pid=42, begun=self.monotonic()))

    def authorizer(self) -> Authorizer:
        config = build({"imds": {"deadline": 30.0}, **self.settings})  # a busy machine is no matter of these tests
        dependencies = Dependencies(
            imds=self.imds,
            hardware=self.hardware,
            verifier=lambda: self._verifier(config),
            keys_on_disk=KeysFile(config.fallback, config.keys.policy, self.read_keys_file),
            now=self.now,
            monotonic=self.monotonic,
        )
        return Authorizer(config, dependencies, self.cache)

    @staticmethod
    def read_keys_file(path: str) -> bytes:
        return trusted_files.read(path, 256 * 1024, owners=(os.geteuid(),))

    def _verifier(self, config: Config) -> SignerVerifier:
        self.verified += 1
        return SignerVerifier(config, self.roots_for)
