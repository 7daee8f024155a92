# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin of the sandbox: each test here runs a pytest of its own, which has the plugin."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.documents import ROOT

pytest_plugins = ["pytester"]

WORLD = """
accounts:
  "123456789012":
    users:
      alice: {access_keys: {AKIAALICEEXAMPLE0000: secret}, policies: [push]}
      bob: {access_keys: {AKIABOBEXAMPLE000000: secret}}
    regions:
      eu-west-1:
        vpcs:
          vpc-0a0a0a0a0a0a0a0a0:
            cidrs: [10.0.0.0/16]
            subnets: {subnet-0a0a0a0a0a0a0a0a0: {cidr: 10.0.0.0/24}}
        instances:
          i-0aaaaaaaaaaaaaaa0: {subnet: subnet-0a0a0a0a0a0a0a0a0, private_ip: 10.0.0.10}
          i-0bbbbbbbbbbbbbbb0: {subnet: subnet-0a0a0a0a0a0a0a0a0, private_ip: 10.0.0.11}
policies:
  push:
    Version: "2012-10-17"
    Statement:
      - {Effect: Allow, Action: "ec2-instance-connect:SendSSHPublicKey", Resource: "*"}
"""

# A file of tests: one that uses the fixture's URLs, files and names, with the default world.
USES_ALL = """
import subprocess, sys, urllib.request

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"


def test_names(eic_sandbox):
    assert {path.name for path in eic_sandbox.directory.iterdir()} >= {"ca.pem", "root.pem", "sandbox.json"}
    assert f"endpoint = {eic_sandbox.imds_url()}" in eic_sandbox.config().read_text()
    assert eic_sandbox.config("i-0123456789abcdef0").read_text() == eic_sandbox.config().read_text()
    assert eic_sandbox.tls_url.startswith("https://127.0.0.1:")
    assert eic_sandbox.credentials() == eic_sandbox.credentials("sandbox")
    assert eic_sandbox.credentials().arn == "arn:aws:iam::123456789012:user/sandbox"


def test_push(eic_sandbox):
    request_id = eic_sandbox.push("root", KEY)
    headers = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = eic_sandbox.imds_url("i-0123456789abcdef0")
    asked = urllib.request.Request(f"{url}/latest/api/token", headers=headers, method="PUT")
    token = opener.open(asked).read().decode()
    path = f"{url}/latest/meta-data/managed-ssh-keys/active-keys/root"
    asked = urllib.request.Request(path, headers={"X-aws-ec2-metadata-token": token})
    blocks = opener.open(asked).read().decode()
    assert KEY in blocks and f"#Request={request_id}" in blocks


def test_boto3_and_trail(eic_sandbox):
    import boto3

    client = boto3.client("sts", **eic_sandbox.client_arguments())
    assert client.get_caller_identity()["Arn"] == eic_sandbox.credentials().arn
    client.close()
    assert [event["eventName"] for event in eic_sandbox.trail()] == ["GetCallerIdentity"]


def test_environment_of_a_subprocess(eic_sandbox, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "missing")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://192.0.2.1")
    program = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    environment = {**eic_sandbox.environment(), "AWS_ENDPOINT_URL_STS": eic_sandbox.api_url}
    printed = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert printed.stdout.strip() == eic_sandbox.credentials().arn, printed.stderr
    assert "AWS_PROFILE" not in environment and "PATH" in environment
    assert eic_sandbox.environment().get("AWS_ENDPOINT_URL_STS") is None


def test_control(eic_sandbox):
    assert eic_sandbox.control("PUT", "faults/hang", {"times": "1"})["faults"][0]["name"] == "hang"
    assert eic_sandbox.status()["faults"][0]["times"] == 1
"""


@pytest.fixture
def plain(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder of tests; they find this repository's package."""
    monkeypatch.setenv("PYTHONPATH", ROOT)
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:cacheprovider -p eic_sandbox.pytest_plugin")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return pytester


def outcomes(run: pytest.RunResult, **expected: int) -> str:
    """All that it printed, after a comparison of how many tests had which outcome."""
    run.assert_outcomes(**expected)
    return run.stdout.str() + run.stderr.str()


def test_fixture_gives_urls_files_credentials_and_the_trail(plain: pytest.Pytester) -> None:
    plain.makepyfile(USES_ALL)
    outcomes(plain.runpytest_subprocess("-W", "error", "-W", "ignore::DeprecationWarning"), passed=5)


def test_the_guides_example_passes(plain: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ed25519: str) -> None:
    text = (Path(ROOT) / "docs/sandbox.md").read_text().split("## pytest\n")[1].split("\n| of the fixture")[0]
    example = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    plain.makepyfile(f"KEY = {ed25519!r}\n{example}\n")
    plain.path.joinpath("world.yaml").write_text(WORLD)
    tool = plain.mkdir("bin").joinpath("my-tool")
    tool.write_text("#!/bin/sh\n[ $AWS_ACCESS_KEY_ID = AKIAALICEEXAMPLE0000 ]\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    outcomes(plain.runpytest_subprocess("--strict-markers"), passed=2)


def test_each_test_has_a_world_of_its_own(plain: pytest.Pytester) -> None:
    plain.makepyfile(
        """
        seen = set()

        def test_one(eic_sandbox):
            eic_sandbox.control("DELETE", "policies", body={"from": "sandbox", "policy": "everything"})
            seen.add(eic_sandbox.directory)

        def test_two(eic_sandbox):
            eic_sandbox.control("DELETE", "policies", body={"from": "sandbox", "policy": "everything"})
            assert eic_sandbox.directory not in seen
        """
    )
    outcomes(plain.runpytest_subprocess(), passed=2)


@pytest.mark.parametrize(("scope", "worlds"), [("function", 3), ("class", 2), ("module", 1), ("session", 1)])
def test_setting_scope_says_which_tests_share_a_world(scope: str, worlds: int, plain: pytest.Pytester) -> None:
    plain.makeini(f"[pytest]\neic_sandbox_scope = {scope}\n")
    plain.makepyfile(
        f"""
        seen = set()

        class TestClass:
            def test_one(self, eic_sandbox):
                seen.add(eic_sandbox.directory)

            def test_two(self, eic_sandbox):
                seen.add(eic_sandbox.directory)

        def test_three(eic_sandbox):
            seen.add(eic_sandbox.directory)
            assert len(seen) == {worlds}
        """
    )
    outcomes(plain.runpytest_subprocess(), passed=3)


NAMES_BOB = """
    def test_world(eic_sandbox):
        assert eic_sandbox.credentials("bob").region == "eu-west-1"
        assert eic_sandbox.imds_url("i-0bbbbbbbbbbbbbbb0") != eic_sandbox.imds_url()
"""


def test_setting_names_a_world_file_relative_to_the_configuration(plain: pytest.Pytester) -> None:
    plain.makeini("[pytest]\neic_sandbox_world = worlds/two.yaml\n")
    plain.mkdir("worlds").joinpath("two.yaml").write_text(WORLD)
    plain.mkdir("inner").joinpath("test_it.py").write_text(NAMES_BOB.replace("\n    ", "\n"))
    outcomes(plain.runpytest_subprocess("inner"), passed=1)


def test_marker_names_a_world_file_beside_the_test(plain: pytest.Pytester) -> None:
    folder = plain.mkdir("inner")
    folder.joinpath("two.yaml").write_text(WORLD)
    marked = '\nimport pytest\n\n\n@pytest.mark.eic_sandbox(world="two.yaml")'
    folder.joinpath("test_it.py").write_text(marked + NAMES_BOB.replace("\n    ", "\n"))
    outcomes(plain.runpytest_subprocess("--strict-markers"), passed=1)


def test_marker_has_a_world_as_a_dict_and_wins_over_the_setting(plain: pytest.Pytester) -> None:
    plain.makeini("[pytest]\neic_sandbox_world = missing.yaml\n")
    plain.path.joinpath("two.yaml").write_text(WORLD)
    plain.path.joinpath("policy.json").write_text('{"Statement": []}')
    plain.makepyfile(
        """
        import pathlib, pytest, yaml

        WORLD = yaml.safe_load(pathlib.Path(__file__).with_name("two.yaml").read_text())
        WORLD["policies"]["empty"] = {"file": pathlib.PurePath("policy.json")}
        WORLD["window"] = 30
        instances = WORLD["accounts"]["123456789012"]["regions"]["eu-west-1"]["instances"]
        instances["i-0aaaaaaaaaaaaaaa0"]["servers"] = {22: "127.0.0.1:2222"}

        @pytest.mark.eic_sandbox(world=WORLD)
        def test_world(eic_sandbox):
            assert eic_sandbox.status()["window"] == 30
        """
    )
    outcomes(plain.runpytest_subprocess(), errors=1)
    plain.path.joinpath("policy.json").write_text('{"Statement": {"Effect":"Deny","Action":"*","Resource":"*"}}')
    outcomes(plain.runpytest_subprocess(), passed=1)


@pytest.mark.parametrize(
    ("marker", "says"),
    [
        ('world="missing.yaml"', "missing.yaml: No such file or directory. Name a world file."),
        ('world="broken.yaml"', "broken.yaml:1: nonsense: unknown key. Use one of: "),
        ('world={"accounts": {"1": {}}}', "the marker's world:1: accounts.1: not an account id ('1'). Use twelve"),
        ('world={"accounts": {1, 2}}', "the world is not JSON"),
        ('world={"accounts": "\\ud800"}', "the world is not JSON"),
        ("world=3", "not world=FILE or world=DICT (world=3). Use"),
        ('"world.yaml"', "not world=FILE or world=DICT"),
        ('word="world.yaml"', "not world=FILE or world=DICT"),
    ],
)
def test_a_wrong_world_is_one_line_and_no_traceback(marker: str, says: str, plain: pytest.Pytester) -> None:
    plain.path.joinpath("broken.yaml").write_text("nonsense: 1\n")
    plain.makepyfile(
        f"""
        import pytest

        @pytest.mark.eic_sandbox({marker})
        def test_world(eic_sandbox):
            pass
        """
    )
    printed = outcomes(plain.runpytest_subprocess(), errors=1)
    (line,) = [line for line in printed.splitlines() if line.startswith("eic_sandbox: ")]
    assert says in line
    assert "pytest_plugin.py" not in printed


def test_a_marker_that_a_shared_world_cannot_follow_fails_the_test(plain: pytest.Pytester) -> None:
    plain.makeini("[pytest]\neic_sandbox_scope = module\n")
    plain.makepyfile(
        """
        import pytest

        @pytest.mark.eic_sandbox(world={})
        class TestClass:
            def test_one(self, eic_sandbox):
                pass

        def test_two(eic_sandbox):
            pass
        """
    )
    assert "eic_sandbox_scope is wider ('module')" in outcomes(plain.runpytest_subprocess(), errors=1, passed=1)


def test_an_unknown_scope_is_a_usage_error(plain: pytest.Pytester) -> None:
    plain.makeini("[pytest]\neic_sandbox_scope = test\n")
    done = plain.runpytest_subprocess()
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert "eic_sandbox_scope: unknown scope ('test'). Use one of: function, class, module, session." in str(
        done.stderr
    )


def test_a_condition_key_that_no_request_has_is_a_warning(plain: pytest.Pytester) -> None:
    condition = "Condition: {StringEquals: {'aws:PrincipalOrgID': 'o-1'}}"
    plain.path.joinpath("two.yaml").write_text(WORLD.replace('Resource: "*"', f'Resource: "*", {condition}'))
    plain.makepyfile('import pytest\n\n\n@pytest.mark.eic_sandbox(world="two.yaml")\ndef test_it(eic_sandbox): pass\n')
    assert "SandboxWarning: policy push: no request in the sandbox" in outcomes(
        plain.runpytest_subprocess(), passed=1, warnings=1
    )


def test_a_run_that_does_not_use_the_fixture_imports_nothing_of_the_sandbox(plain: pytest.Pytester) -> None:
    plain.makepyfile(
        """
        import sys

        def test_imports():
            own = {name for name in sys.modules if name.startswith("eic_sandbox")}
            assert own == {"eic_sandbox", "eic_sandbox.pytest_plugin"}
            assert not {"aiohttp", "cryptography", "requests", "yaml", "asyncio"} & set(sys.modules)
        """
    )
    outcomes(plain.runpytest_subprocess(), passed=1)
