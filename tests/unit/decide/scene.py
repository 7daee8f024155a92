# SPDX-License-Identifier: Apache-2.0
"""An authorizer whose dependencies a test can replace one by one."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Callable, Dict, Optional, Sequence

from eic_sandbox.cloud.instance import Instance
from eic_sshd.config.schema import Config, build
from eic_sshd.decide.authorizer import Authorizer
from eic_sshd.decide.cache import Cache
from eic_sshd.decide.dependencies import Dependencies
from eic_sshd.decide.fallback import KeysFile
from eic_sshd.host import trusted_files
from eic_sshd.host.groups import Groups
from eic_sshd.host.hardware import AnyHardware, Ec2Hardware, Hardware
from eic_sshd.invocation import Invocation
from eic_sshd.model.decision import Decision
from eic_sshd.trust import roots
from eic_sshd.trust.roots import Roots
from eic_sshd.trust.signer import SignerVerifier
from testbed.memory_imds import MemoryImds

USER = "ec2-user"
MINUTE = 60  # seconds for which a pushed key is valid


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
        self.groups: Optional[Sequence[str]] = ()
        self.memberships: Dict[str, Sequence[str]] = {}
        self.lookups = 0
        self.cache: Optional[Cache] = None
        self.roots_for: roots.RootsFor = lambda domain: Roots([instance.pki.root.der], private=True)

    def ask(self, user: str = USER, fingerprint: Optional[str] = None, uid: Optional[int] = None) -> Decision:
        return self.authorizer().decide(self.invocation(user, fingerprint, uid))

    def invocation(self, user: str = USER, fingerprint: Optional[str] = None, uid: Optional[int] = None) -> Invocation:
        tokens = None if uid is None else {"U": str(uid)}
        return Invocation(user, fingerprint, sshd_pid=42, begun=self.monotonic(), tokens=tokens)

    def ask_for_groups(self, user: str, groups: Sequence[str], seconds: float) -> str:
        """As the lookup of groups: `memberships` has the groups of each user, `groups` all that there are."""
        self.lookups += 1
        if self.groups is None:
            raise OSError("no directory")
        own = self.memberships.get(user, ())
        return "".join("?" if group not in self.groups else "01"[group in own] for group in groups)

    def authorizer(self) -> Authorizer:
        config = build({"imds": {"deadline": 30.0}, **self.settings})  # enough for a busy machine
        dependencies = Dependencies(
            imds=self.imds,
            hardware=self.hardware,
            verifier=lambda: self._verifier(config),
            keys_on_disk=KeysFile(config.fallback, config.keys.policy, self.read_keys_file),
            now=self.now,
            monotonic=self.monotonic,
            groups=Groups(self.ask_for_groups, self.monotonic),
            uid_min=1000,
        )
        return Authorizer(config, dependencies, self.cache)

    @staticmethod
    def read_keys_file(path: str) -> bytes:
        return trusted_files.read(path, 256 * 1024, owners=(os.geteuid(),))

    def _verifier(self, config: Config) -> SignerVerifier:
        self.verified += 1
        return SignerVerifier(config, self.roots_for)


class Clocks:
    """The system clock, which can be set, and the monotonic one, which cannot."""

    def __init__(self, scene: Scene) -> None:
        self.wall, self.monotonic = float(int(time.time()) + 86400), 1000.0  # within the certificates' lives
        scene.instance._clock = lambda: self.wall
        scene.now, scene.monotonic = lambda: self.wall, lambda: self.monotonic
        scene.cache = Cache()
        scene.settings = {"trust": {"require_ocsp": False}}

    def pass_seconds(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


def reinstate(scene: Scene, blob: Optional[bytes]) -> None:
    """IMDS gives this answer of active-keys from now on, as an attacker in its place can."""
    read = scene.instance.read
    scene.instance.read = lambda path: blob if "active-keys" in path else read(path)  # type: ignore[method-assign]


def nitro(folder: Path, tag: str) -> Ec2Hardware:
    """The hardware of a Nitro instance whose board asset tag is `tag`, in files below `folder`."""
    path = folder / "sys/devices/virtual/dmi/id"
    path.mkdir(parents=True)
    (path / "board_asset_tag").write_text(tag + "\n")
    return Ec2Hardware(str(folder))
