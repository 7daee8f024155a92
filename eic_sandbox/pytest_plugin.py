# SPDX-License-Identifier: Apache-2.0
"""pytest-eic-sandbox: the fixture `eic_sandbox`, a running world for each test (docs/sandbox.md, "pytest").

pytest imports this module in every run, so the sandbox and its libraries are imported by the first test that uses the
fixture. It needs pytest 6.2 or later.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, NoReturn, Optional, Union
from warnings import warn

import pytest

if TYPE_CHECKING:
    from .cloud.cloud import Cloud

_MARKER = "eic_sandbox"
_NODES: Dict[str, Any] = {"class": pytest.Class, "module": pytest.Module, "session": pytest.Session}
_SCOPES = ("function", *_NODES)
_MARKER_HELP = (
    'eic_sandbox(world="world.yaml"): the world of the fixture eic_sandbox: a file beside the test, or a dict'
)

World = Union[str, "os.PathLike[str]", Mapping[str, Any]]
"""A world file, or what it has: docs/sandbox.md describes its keys."""


class SandboxWarning(UserWarning):
    """A world is valid, but something in it has no effect."""


@dataclass(frozen=True)
class Credentials:
    """An access key of a user or of a session; `token` is None for a user's."""

    access_key_id: str
    secret: str
    token: Optional[str]
    arn: str
    region: str


class RunningSandbox:
    """What the fixture gives: a sandbox that runs in this process, on free ports of 127.0.0.1.

    `directory` has root.pem, ca.pem, eic-sshd.conf, instances/ID.conf, sandbox.json and trail.json. Methods that need
    an answer of the sandbox raise ValueError for a name that it does not know.
    """

    def __init__(self, directory: Path, urls: Mapping[str, str]) -> None:
        self.directory = directory
        self.urls = dict(urls)

    @property
    def api_url(self) -> str:
        """Where EC2, EC2 Instance Connect, STS and CloudTrail answer."""
        return self.urls["api"]

    @property
    def tls_url(self) -> str:
        """Where the endpoints open tunnels, and the APIs answer over TLS; `ca` is its CA."""
        return self.urls["tls"]

    @property
    def control_url(self) -> str:
        """The control API."""
        return self.urls["control"]

    @property
    def ca(self) -> Path:
        """The certificate of the CA that clients of `tls_url` must trust, in PEM."""
        return self.directory / "ca.pem"

    def config(self, instance: Optional[str] = None) -> Path:
        """The eic-sshd.conf for an instance under test (default: the first)."""
        return self.directory / ("eic-sshd.conf" if instance is None else f"instances/{instance}.conf")

    def status(self) -> Dict[str, Any]:
        """The answer to `GET /status`: instances, endpoints, faults."""
        return self.control("GET", "status")

    def imds_url(self, instance: Optional[str] = None) -> str:
        """The IMDS of an instance (default: of the first)."""
        found = {str(one["id"]): str(one["imds"]) for one in self.status()["instances"]}
        if instance is None and found:
            return next(iter(found.values()))
        if instance not in found:
            raise ValueError(f"instance: unknown id ({instance!r}). Use one of: {', '.join(found) or 'none'}.")
        return found[instance]

    def credentials(self, name: Optional[str] = None) -> Credentials:
        """Those of a user, or of a session ROLE/SESSION (default: of the first user)."""
        found = self._credentials(name)
        return Credentials(
            found["access_key_id"], found["secret"], found["token"] or None, found["arn"], found["region"]
        )

    def client_arguments(self, name: Optional[str] = None) -> Dict[str, Optional[str]]:
        """Arguments for `boto3.client(SERVICE, **arguments)`."""
        found = self.credentials(name)
        return {
            "endpoint_url": self.api_url,
            "region_name": found.region,
            "aws_access_key_id": found.access_key_id,
            "aws_secret_access_key": found.secret,
            "aws_session_token": found.token,
        }

    def environment(self, name: Optional[str] = None) -> Dict[str, str]:
        """The whole environment of a subprocess: this one's without its AWS variables and profiles, and the sandbox's.

        AWS clients in it call the sandbox as the user or session `name` (default: the first user).
        """
        from .cli.environment import no_proxy, variables

        others = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        no_profiles = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        own = variables(self.status(), self._credentials(name), str(self.ca), no_proxy(os.environ))
        return {**others, **no_profiles, **own}

    def push(self, user: str, key: str, instance: Optional[str] = None) -> str:
        """Push a public key for an OS user without the API's checks (default: to all instances).

        Returns the request id.
        """
        answer = self.control("POST", "keys", {"instance": instance}, {"user": user, "key": key})
        return str(answer["request_id"])

    def trail(self) -> List[Dict[str, Any]]:
        """The events of the trail so far, the oldest first."""
        records: List[Dict[str, Any]] = self.control("GET", "trail")["Records"]
        return records

    def control(
        self,
        method: str,
        path: str,
        query: Optional[Mapping[str, Optional[str]]] = None,
        body: Optional[Mapping[str, object]] = None,
    ) -> Dict[str, Any]:
        """A request to the control API, such as `control("PUT", "faults/hang")`. Raises ValueError if it is refused."""
        from .cli.control_client import call

        return call(
            argparse.Namespace(control=self.control_url, directory=str(self.directory)), method, path, query, body
        )

    def _credentials(self, name: Optional[str]) -> Dict[str, Any]:
        return self.control("GET", "credentials", {"as": name})


def pytest_addoption(parser: Any) -> None:
    """Settings in pytest's configuration file."""
    parser.addini("eic_sandbox_world", "the world file of the fixture eic_sandbox, relative to this configuration file")
    parser.addini("eic_sandbox_scope", f"how long a world lives: {', '.join(_SCOPES)} (default: {_SCOPES[0]})")


def pytest_configure(config: pytest.Config) -> None:
    """The marker, and whether the settings are valid."""
    config.addinivalue_line("markers", _MARKER_HELP)
    if _scope("", config) not in _SCOPES:
        problem = f"eic_sandbox_scope: unknown scope ({_scope('', config)!r}). Use one of: {', '.join(_SCOPES)}."
        raise pytest.UsageError(problem)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test fails if it has a marker that its fixture cannot see: it would run with another world."""
    scope = _scope("", item.config)
    if scope not in _NODES or "eic_sandbox" not in getattr(item, "fixturenames", ()):
        return
    node = item.getparent(_NODES[scope]) or item
    if item.get_closest_marker(_MARKER) is not node.get_closest_marker(_MARKER):
        _fail(f"@pytest.mark.eic_sandbox: eic_sandbox_scope is wider ({scope!r}). Mark what shares the world.")


def _scope(fixture_name: str, config: pytest.Config) -> Any:
    """The scope of the fixture; pytest calls it with these names."""
    del fixture_name
    return str(config.getini("eic_sandbox_scope") or _SCOPES[0])


@pytest.fixture(scope=_scope)
def eic_sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A running sandbox; its world is that of the marker, else of the setting eic_sandbox_world, else the default."""
    from .server import CannotListen, Sandbox, running
    from .world.document import WorldError

    with contextlib.ExitStack() as stack:
        try:
            sandbox = stack.enter_context(running(Sandbox(_cloud(request))))
        except (CannotListen, WorldError) as problem:
            _fail(str(problem))
        except OSError as error:
            _fail(f"{error.filename}: {error.strerror or error}. Name a world file.")
        directory = tmp_path_factory.mktemp("eic-sandbox")
        sandbox.describe(str(directory))
        yield RunningSandbox(directory, sandbox.endpoints)


def _cloud(request: pytest.FixtureRequest) -> Cloud:
    """Raises WorldError, OSError."""
    marker = request.node.get_closest_marker(_MARKER)
    if marker is not None:
        file = getattr(request.node, "path", None) or request.node.fspath  # pytest 6 has `fspath` only
        return _described(_world_of(marker), os.path.dirname(str(file)))
    setting = str(request.config.getini("eic_sandbox_world") or "")
    if setting:
        configuration = request.config.inipath
        return _described(setting, str(configuration.parent if configuration else request.config.rootpath))
    return _default()


def _world_of(marker: pytest.Mark) -> World:
    world = marker.kwargs.get("world")
    if marker.args or set(marker.kwargs) != {"world"} or not isinstance(world, (str, os.PathLike, Mapping)):
        given = ", ".join([*map(repr, marker.args), *(f"{name}={value!r}" for name, value in marker.kwargs.items())])
        _fail(f'@pytest.mark.eic_sandbox: not world=FILE or world=DICT ({given[:64]}). Use world="world.yaml".')
    return world


def _described(world: World, folder: str) -> Cloud:
    """The world of a file or a dict; paths are relative to `folder`. Raises WorldError, OSError."""
    from .world.document import parse
    from .world.world import build, load, warnings_of

    if isinstance(world, Mapping):
        try:
            text = json.dumps(world, default=os.fspath, ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            _fail(f"@pytest.mark.eic_sandbox: the world is not JSON ({error}). Use texts, numbers, lists and dicts.")
        cloud = build(parse(text, "the marker's world"), folder)
        warnings = warnings_of(cloud.directory)
    else:
        cloud, warnings = load(os.path.join(folder, world))
    for warning in warnings:
        warn(warning, SandboxWarning, stacklevel=2)
    return cloud


def _default() -> Cloud:
    from .cloud.instance import Instance
    from .imds.metadata import InstanceMetadata
    from .pki.authority import Pki
    from .world.single import single

    metadata = InstanceMetadata()
    return single(Instance(metadata, Pki(metadata.region, metadata.domain)))


def _fail(problem: str) -> NoReturn:
    """Fail the test with one line."""
    pytest.fail(f"eic_sandbox: {problem}", pytrace=False)
