# SPDX-License-Identifier: Apache-2.0
"""What the documents of the sandbox say, held to the code: keys, routes, commands, operators, errors, examples."""

from __future__ import annotations

import argparse
import ast
import re
from pathlib import Path
from typing import Dict, Iterator, List, Set

import pytest
import yaml

from eic_sandbox.cli import build_parser
from eic_sandbox.cloud import directory
from eic_sandbox.cloud.endpoint import MAX_TUNNELS
from eic_sandbox.cloud.instance import ACTIVE_KEYS
from eic_sandbox.cloud.region import MAX_ENDPOINTS
from eic_sandbox.control import http
from eic_sandbox.faults import Faults
from eic_sandbox.iam.keys import SUPPLIED
from eic_sandbox.iam.operators import OPERATORS
from eic_sandbox.imds import signer
from eic_sandbox.imds.metadata import InstanceMetadata, values
from eic_sandbox.server import Sandbox
from eic_sandbox.services import catalogue
from eic_sandbox.trail import trail
from eic_sandbox.tunnel import admission, endpoint, relay, websocket
from eic_sandbox.world import identities, ids, nodes, policies, regions
from eic_sandbox.world.document import parse
from eic_sandbox.world.world import build, load
from tools.documents import ROOT

GUIDE = (Path(ROOT) / "docs/sandbox.md").read_text()
MANUAL = (Path(ROOT) / "docs/man/eic-sandbox.8").read_text()
EXAMPLE = Path(ROOT) / "docs/examples/world.yaml"


def section(title: str) -> str:
    """The text below a heading, up to the next one of its level."""
    level = title.partition(" ")[0]
    after = GUIDE.split(f"\n{title}\n")[1]
    return re.split(rf"\n{level} ", after)[0]


def keys_of_the_schema() -> Set[str]:
    """Each name that the code of the world file gives to `fields`, and those that it is given as a variable."""
    found = {"sources", "destinations"}
    for path in (Path(ROOT) / "eic_sandbox/world").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fields":
                found |= {str(one.value) for one in node.args if isinstance(one, ast.Constant)}
    return found


def keys_in(value: object) -> Iterator[str]:
    """Each key of a document at any depth."""
    for one in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
        yield from keys_in(one)
    if isinstance(value, dict):
        yield from map(str, value)


def test_guide_describes_every_key_of_a_world_file() -> None:
    known = keys_of_the_schema()
    assert len(known) > 40
    text = section("## The world file")
    assert [key for key in sorted(known) if f"`{key}`" not in text] == []


def test_tables_of_the_world_file_have_no_other_keys() -> None:
    rows = re.findall(r"^\| (`[a-z0-9_`, ]+) \|", section("## The world file"), re.MULTILINE)
    named = {key for row in rows for key in re.findall("`([a-z0-9_]+)`", row)}
    assert len(named) > 25
    assert named - keys_of_the_schema() == set()


def test_example_has_every_key_and_loads_without_a_warning() -> None:
    cloud, warnings = load(str(EXAMPLE))
    assert warnings == []
    assert [instance.metadata.instance_id for instance in cloud.instances()] == [
        "i-0123456789abcdef0",
        "i-0123456789abcdef1",
    ]
    assert keys_of_the_schema() - set(keys_in(yaml.safe_load(EXAMPLE.read_text()))) == set()


def test_worlds_in_the_guide_load() -> None:
    blocks = re.findall(r"^```yaml\n(accounts:.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        assert list(build(parse(block.encode(), "sandbox.md"), ROOT).instances())


def routes() -> List[str]:
    """Each route of the control API, as the guide writes it."""
    cloud, _ = load(str(EXAMPLE))
    table = Sandbox(cloud).control.application().router.routes()
    return [f"{one.method} {one.resource.canonical}" for one in table if one.resource and one.method != "HEAD"]


def test_guide_lists_every_request_of_the_control_api_and_no_other() -> None:
    rows = section("## The control API")
    listed = re.findall(r"`(GET|PUT|POST|DELETE) (/[^`?]*)", rows)
    found = routes()
    assert len(found) > 15
    assert sorted(f"{method} {path}" for method, path in listed) == sorted(found)


def parsers() -> Dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    (action,) = [one for one in build_parser()._actions if isinstance(one, argparse._SubParsersAction)]
    return dict(action.choices)


def test_guide_and_manual_page_list_every_command() -> None:
    commands = set(parsers())
    rows = re.findall(r"^\| (`.*?`) \|", section("## Commands"), re.MULTILINE)
    listed = {text.split(" ")[0] for row in rows for text in re.findall(r"`([^`]+)`", row)}
    assert listed == commands
    synopsis = MANUAL.split(".Sh DESCRIPTION")[0]
    named = {word for line in re.findall(r"^\.Nm\n\.Cm (.*)$", synopsis, re.MULTILINE) for word in line.split(" | ")}
    assert named == commands


def test_manual_page_lists_the_options_of_each_command_and_no_others() -> None:
    for name, parser in parsers().items():
        options = {text for action in parser._actions for text in action.option_strings if text.startswith("--")}
        options -= {"--help", "--control", "--directory"} if name != "run" else {"--help"}
        (block,) = [
            block
            for block in MANUAL.split(".Sh DESCRIPTION")[0].split("\n.Nm\n")
            if block.startswith(".Cm ") and name in block.split("\n")[0].split()
        ]
        assert {f"--{option}" for option in re.findall(r"Fl Fl ([a-z-]+)", block)} == options, name


def test_guide_describes_every_option_of_run() -> None:
    options = {text for action in parsers()["run"]._actions for text in action.option_strings if text.startswith("--")}
    rows = re.findall(r"^\| (`--.*?) \|", section("## Run"), re.MULTILINE)
    assert {text for row in rows for text in re.findall(r"`(--[a-z-]+)`", row)} == options - {"--help"}


def test_guide_names_every_operator_and_condition_key() -> None:
    text = section("## IAM")
    written = set(re.findall(r"`([A-Za-z]+)`", text))
    written |= {name.replace("Numeric", "Date") for name in written if name.startswith("Numeric")}
    assert set(OPERATORS) - written == set()
    keys = [f"{name}KEY" if name.endswith("/") else name for name in SUPPLIED]
    assert [key for key in keys if f"`{key}`" not in text] == []


def test_guide_names_every_operation_and_every_error_of_authentication() -> None:
    cloud, _ = load(str(EXAMPLE))
    text = section("## The APIs")
    for service in catalogue.services(Sandbox(cloud).trail).values():
        names = [*service.json_operations, *service.query_operations, service.denied[0]]
        names += [name for name, _ in service.failures.values()]
        assert [name for name in names if name not in text] == []


def test_guide_names_every_refusal_of_a_tunnel_and_every_reason_of_its_end() -> None:
    text = section("## Tunnels")
    source = "".join(Path(str(module.__file__)).read_text() for module in (admission, endpoint))
    codes = set(re.findall(r'Refused\(\s*\d{3}, "(\w+)"', source)) | set(admission._AUTHENTICATION_CODES.values())
    assert len(codes) > 8
    assert [code for code in sorted(codes) if code not in text] == []
    reasons = [relay.TIME_OVER, relay.RESET, relay.ONLY_BINARY, endpoint.UNREACHABLE]
    assert [reason for reason in reasons if f"`{reason}`" not in text] == []


@pytest.mark.parametrize(
    "text",
    [
        f"fewer than {MAX_TUNNELS} tunnels",
        f"at most {MAX_ENDPOINTS} endpoints in a Region",
        f"of over {websocket.MAX_MESSAGE // 1024**2} MiB",
        f"1 to {admission.MAX_DURATION} seconds",
        f"at most {nodes.MAX_FILE // 1024**2} MiB, {nodes.MAX_NODES:,} values and {nodes.MAX_DEPTH} levels",
        f"at most {ids._MAX_INSTANCES} instances, {regions._MAX_REGIONS} Regions",
        f"{identities._MAX_POLICIES:,} named policies",
        f"at most {http.MAX_BODY // 1024} KiB",
        f"at most {policies.MAX_FILE // 1024} KiB",
        f"the newest {directory._MAX_SESSIONS:,} sessions",
        f"the newest {trail._KEPT:,}, of the caller's",
    ],
)
def test_guide_states_the_limits_of_the_code(text: str) -> None:
    assert text in " ".join(GUIDE.split())


def test_guide_names_every_path_of_imds() -> None:
    paths = [*values(InstanceMetadata(), Faults()), ACTIVE_KEYS, signer.SIGNER_CERT, signer.SIGNER_OCSP]
    assert [path for path in paths if path not in section("## IMDS")] == []


def test_unit_serves_the_world_file_that_documents_name() -> None:
    unit = (Path(ROOT) / "systemd/eic-sandbox.service").read_text()
    for path in ("/etc/eic-sandbox/world.yaml", "EIC_SANDBOX_OPTIONS"):
        assert path in unit
        assert path in section("## systemd")
        assert path in MANUAL
    assert "--directory %t/eic-sandbox " in unit


@pytest.mark.parametrize("name", ["eic_sandbox_world", "eic_sandbox_scope"])
def test_guide_describes_the_settings_of_the_pytest_plugin(name: str) -> None:
    assert f"`{name}`" in section("## pytest")
    assert f'addini("{name}"' in (Path(ROOT) / "eic_sandbox/pytest_plugin.py").read_text()


def test_guide_describes_every_public_name_of_the_fixture() -> None:
    module = ast.parse((Path(ROOT) / "eic_sandbox/pytest_plugin.py").read_text())
    (fixture,) = [node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "RunningSandbox"]
    names = [node.name for node in fixture.body if isinstance(node, ast.FunctionDef) if not node.name.startswith("_")]
    text = section("## pytest")
    assert len(names) > 10
    assert [name for name in [*names, "urls", "directory"] if not re.search(rf"`{name}\b", text)] == []


def test_manual_page_and_guide_name_a_fault_only_if_it_exists() -> None:
    for name in re.findall(r"faults/([a-z-]{3,})", GUIDE):
        Faults().set(name)
