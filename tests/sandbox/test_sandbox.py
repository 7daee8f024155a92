# SPDX-License-Identifier: Apache-2.0
"""The sandbox as its users see it: IMDSv2, the API through the real AWS SDK, the control."""

from __future__ import annotations

import base64
import hashlib
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from eic_sandbox.cloud.instance import Instance
from eic_sandbox.faults import ALL
from eic_sandbox.imds.metadata import InstanceMetadata
from eic_sandbox.pki.authority import Pki
from eic_sandbox.server import Sandbox, running
from testbed import aws_sdk, keys, processes

TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"
ID = InstanceMetadata().instance_id


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        yield made


def token(session: requests.Session, sandbox: Sandbox, ttl: str = "60") -> requests.Response:
    return session.put(f"{sandbox.endpoints['imds']}/latest/api/token", headers={TTL: ttl}, timeout=5)


def read(session: requests.Session, sandbox: Sandbox, path: str, **headers: str) -> requests.Response:
    headers = headers or {TOKEN: token(session, sandbox).text}
    return session.get(f"{sandbox.endpoints['imds']}/latest/meta-data/{path}", headers=headers, timeout=5)


# IMDSv2.


@pytest.mark.parametrize(
    ("ttl", "status"),
    [("1", 200), ("21600", 200), ("0", 400), ("21601", 400), ("", 400), ("-1", 400), ("x", 400), ("9" * 9, 400)],
)
def test_an_imds_token_has_a_ttl_of_1_to_21600_seconds(
    session: requests.Session, sandbox: Sandbox, ttl: str, status: int
) -> None:
    answer = token(session, sandbox, ttl)
    assert answer.status_code == status
    if status == 200:
        assert answer.headers[TTL] == ttl


@pytest.mark.parametrize("headers", [{"X-Nothing": "x"}, {TOKEN: "made-up"}, {TOKEN: ""}])
def test_a_read_without_a_valid_imds_token_is_401(
    session: requests.Session, sandbox: Sandbox, headers: Dict[str, str]
) -> None:
    assert read(session, sandbox, "instance-id", **headers).status_code == 401


def test_an_imds_token_expires(session: requests.Session, pki: Pki) -> None:
    now = [0.0]
    with running(Sandbox(Instance(InstanceMetadata(), pki), token_clock=lambda: now[0])) as sandbox:
        good = token(session, sandbox, "10").text
        now[0] = 9.9
        assert read(session, sandbox, "instance-id", **{TOKEN: good}).status_code == 200
        now[0] = 10.0
        assert read(session, sandbox, "instance-id", **{TOKEN: good}).status_code == 401


def test_a_forwarded_request_for_a_token_is_403(session: requests.Session, sandbox: Sandbox) -> None:
    url = f"{sandbox.endpoints['imds']}/latest/api/token"
    answer = session.put(url, headers={TTL: "60", "X-Forwarded-For": "10.0.0.1"}, timeout=5)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("instance-id", ID),
        ("placement/region", "us-west-2"),
        ("placement/availability-zone", "us-west-2a"),
        ("services/domain", "amazonaws.com"),
    ],
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_metadata_is_read_with_and_without_a_closing_slash(
    session: requests.Session, sandbox: Sandbox, path: str, text: str, slash: str
) -> None:
    assert read(session, sandbox, path + slash).text == text


def test_a_user_without_keys_is_404_also_for_a_head_request(session: requests.Session, sandbox: Sandbox) -> None:
    path = "managed-ssh-keys/active-keys/root/"
    assert read(session, sandbox, path).status_code == 404
    url = f"{sandbox.endpoints['imds']}/latest/meta-data/{path}"
    assert session.head(url, headers={TOKEN: token(session, sandbox).text}, timeout=5).status_code == 404


def test_staples_are_listed_by_name_and_the_chain_ends_with_cross_signed_roots(
    session: requests.Session, sandbox: Sandbox
) -> None:
    names = read(session, sandbox, "managed-ssh-keys/signer-ocsp").text.split()
    chain = read(session, sandbox, "managed-ssh-keys/signer-cert").text
    assert len(names) == chain.count("BEGIN CERTIFICATE") == 4
    assert all(len(name) == 40 for name in names)
    assert chain.endswith(sandbox.instance.pki.cross_signed_old_root.pem.decode())
    assert read(session, sandbox, f"managed-ssh-keys/signer-ocsp/{names[0]}").status_code == 200


def test_connections_are_kept_alive(session: requests.Session, sandbox: Sandbox) -> None:
    before = sandbox.imds.connections
    for _ in range(5):
        read(session, sandbox, "instance-id")
    assert sandbox.imds.connections == before + 1


def test_a_pushed_key_is_gone_once_its_window_has_passed(pki: Pki, ed25519: str) -> None:
    now = [1000.0]
    instance = Instance(InstanceMetadata(), pki, window=60, clock=lambda: now[0])
    instance.push("root", ed25519, "arn")
    now[0] = 1059.0
    keys_path = "managed-ssh-keys/active-keys/root"
    assert instance.read(keys_path) is not None
    now[0] = 1060.0
    assert instance.read(keys_path) is None


# The API, through the real SDK.


_clients: List[Any] = []


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    while _clients:
        _clients.pop().close()


def client(sandbox: Sandbox, **config: Any) -> Any:
    options = Config(retries={"total_max_attempts": 1}, parameter_validation=False, proxies={}, **config)
    made = aws_sdk.instance_connect(sandbox.endpoints["api"], "us-west-2", config=options)
    _clients.append(made)
    return made


def push(sandbox: Sandbox, key: str, **changed: str) -> Dict[str, Any]:
    wanted = {"InstanceId": ID, "InstanceOSUser": "root", "SSHPublicKey": key, **changed}
    answer: Dict[str, Any] = client(sandbox).send_ssh_public_key(**wanted)
    return answer


def test_a_key_pushed_through_the_sdk_appears_in_imds(
    session: requests.Session, sandbox: Sandbox, ed25519: str
) -> None:
    answer = push(sandbox, ed25519, AvailabilityZone="us-west-2a")
    assert answer["Success"] is True
    blob = read(session, sandbox, "managed-ssh-keys/active-keys/root").text
    assert f"#Request={answer['RequestId']}\n" in blob
    assert "#Caller=arn:aws:sts::123456789012:assumed-role/Sandbox/SANDBOX\n" in blob
    assert f"{ed25519}\n" in blob


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_an_rsa_key_of_at_least_2048_bits_is_accepted(sandbox: Sandbox, bits: int) -> None:
    assert push(sandbox, keys.rsa_line(bits))["Success"]


def ssh2(line: str, folder: Path) -> str:
    """The key in the format of RFC 4716, by ssh-keygen."""
    (folder / "key.pub").write_text(f"{line}\n")
    command = ["ssh-keygen", "-e", "-m", "RFC4716", "-f", str(folder / "key.pub")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("bits", [2048, 4096])
def test_an_rsa_key_in_the_format_of_rfc_4716_is_accepted(
    session: requests.Session, sandbox: Sandbox, tmp_path: Path, bits: int
) -> None:
    line = keys.rsa_line(bits)
    text = ssh2(line, tmp_path)
    headers = "Subject: someone\nX-Long: a header that is \\\ncontinued: here\n"
    for variant in (text, text.replace("Comment:", f"{headers}Comment:", 1), text.replace("\n", "\r\n")):
        sandbox.instance.forget_keys()
        assert push(sandbox, variant)["Success"]
        blob = read(session, sandbox, "managed-ssh-keys/active-keys/root").text
        assert " ".join(line.split()[:2]) in blob.splitlines()


def test_other_keys_in_the_format_of_rfc_4716_are_refused(sandbox: Sandbox, ed25519: str, tmp_path: Path) -> None:
    text = ssh2(keys.rsa_line(2048), tmp_path)
    lines = text.splitlines()
    bad = [
        ssh2(ed25519, tmp_path),
        ssh2(keys.rsa_line(1024), tmp_path),
        text.replace("END", "FIN"),
        "\n".join([*lines[:2], "".join(lines[2:-1]), lines[-1]]),
        "\n".join([*lines[:3], lines[-1]]),
        "\n".join([*lines[:3], "%%%", *lines[3:]]),
        "\n".join([lines[0], "AAAA" * 10, lines[-1]]),
    ]
    for one in bad:
        with pytest.raises(ClientError) as caught:
            push(sandbox, one)
        assert caught.value.response["Error"]["Code"] == "InvalidArgsException"


def test_a_block_has_its_signature_on_one_line_of_base64(
    session: requests.Session, sandbox: Sandbox, ed25519: str
) -> None:
    push(sandbox, ed25519)
    lines = read(session, sandbox, "managed-ssh-keys/active-keys/root").text.splitlines()
    assert [line.partition("=")[0] for line in lines[:4]] == ["#Timestamp", "#Instance", "#Caller", "#Request"]
    assert lines[4] == ed25519
    assert len(base64.b64decode(lines[5], validate=True)) == 256
    assert lines[6:] == []


def test_staples_are_named_by_the_certificates_sha1_in_upper_case(session: requests.Session, sandbox: Sandbox) -> None:
    names = read(session, sandbox, "managed-ssh-keys/signer-ocsp").text.split()
    ders = [one.der for one in sandbox.instance.pki.chain()]
    assert names == [hashlib.sha1(der).hexdigest().upper() for der in ders]  # noqa: S324 - a name


def test_the_signers_certificate_is_like_the_real_ones(sandbox: Sandbox) -> None:
    pki = sandbox.instance.pki
    name, common = "managed-ssh-signer.us-west-2.amazonaws.com", NameOID.COMMON_NAME
    signer = pki.signer.certificate
    names = signer.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [name]
    assert [one.value for one in signer.subject.get_attributes_for_oid(common)] == [name]
    usages = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    assert signer.public_key().key_size == 2048  # type: ignore[union-attr]
    subjects = [one.certificate.subject for one in pki.chain()]
    issuers = [one.certificate.issuer for one in pki.chain()]
    assert issuers[:-1] == subjects[1:]
    assert all(one.certificate.subject != one.certificate.issuer for one in pki.chain())
    assert len(pki.chain()) == 4


BAD = [
    ({"InstanceId": "i-xyz"}, "InvalidArgsException"),
    ({"InstanceId": ""}, "InvalidArgsException"),
    ({"InstanceId": "i-0fedcba9876543210"}, "EC2InstanceNotFoundException"),
    ({"AvailabilityZone": "us-west-2b"}, "EC2InstanceNotFoundException"),
    ({"AvailabilityZone": "nowhere"}, "InvalidArgsException"),
    ({"InstanceOSUser": "../root"}, "InvalidArgsException"),
    ({"InstanceOSUser": ""}, "InvalidArgsException"),
    ({"InstanceOSUser": "x" * 33}, "InvalidArgsException"),
    ({"SSHPublicKey": ""}, "InvalidArgsException"),
    ({"SSHPublicKey": "ssh-ed25519 AAAA"}, "InvalidArgsException"),
    ({"SSHPublicKey": "x" * 5000}, "InvalidArgsException"),
    ({"SSHPublicKey": f"{keys.ed25519_line()}\n{keys.ed25519_line()}"}, "InvalidArgsException"),
    ({"SSHPublicKey": keys.dsa_line()}, "InvalidArgsException"),
    ({"SSHPublicKey": keys.rsa_line(1024)}, "InvalidArgsException"),
    ({"SSHPublicKey": keys.every_type()["ecdsa-sha2-nistp256"].decode()}, "InvalidArgsException"),
]


@pytest.mark.parametrize(("changed", "error"), BAD)
def test_invalid_arguments_get_the_error_of_the_service(
    sandbox: Sandbox, ed25519: str, changed: Dict[str, str], error: str
) -> None:
    with pytest.raises(ClientError) as caught:
        push(sandbox, ed25519, **changed)
    assert caught.value.response["Error"]["Code"] == error
    assert caught.value.response["Error"]["Message"]
    assert sandbox.instance.read("managed-ssh-keys/active-keys/root") is None


FAULTS = {
    "api-auth": "AuthException",
    "api-throttling": "ThrottlingException",
    "api-service": "ServiceException",
    "api-instance-stopped": "EC2InstanceStateInvalidException",
    "api-instance-unavailable": "EC2InstanceUnavailableException",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_error_of_the_api_can_be_set(sandbox: Sandbox, ed25519: str, fault: str) -> None:
    sandbox.instance.faults.set(fault, times=1)
    with pytest.raises(ClientError) as caught:
        push(sandbox, ed25519)
    assert caught.value.response["Error"]["Code"] == FAULTS[fault]
    assert push(sandbox, ed25519)["Success"]


def test_an_unsigned_request_to_the_api_is_refused(sandbox: Sandbox, ed25519: str) -> None:
    unsigned = client(sandbox, signature_version=UNSIGNED)
    with pytest.raises(unsigned.exceptions.AuthException):
        unsigned.send_ssh_public_key(InstanceId=ID, InstanceOSUser="root", SSHPublicKey=ed25519)


@pytest.mark.parametrize("body", ["", "[]", "{", '{"InstanceId": 1}'])
def test_a_body_that_is_not_a_json_object_of_strings_is_refused(
    session: requests.Session, sandbox: Sandbox, body: str
) -> None:
    headers = {
        "X-Amz-Target": "AWSEC2InstanceConnectService.SendSSHPublicKey",
        "Authorization": "AWS4-HMAC-SHA256 Credential=SANDBOX/20260101/us-west-2/ec2-instance-connect/aws4_request, x",
    }
    answer = session.post(sandbox.endpoints["api"], data=body, headers=headers, timeout=5)
    assert (answer.status_code, answer.json()["__type"]) == (400, "SerializationException")


def test_an_operation_that_the_sandbox_lacks_is_unknown(sandbox: Sandbox, ed25519: str) -> None:
    with pytest.raises(ClientError) as caught:
        client(sandbox).send_serial_console_ssh_public_key(InstanceId=ID, SSHPublicKey=ed25519)
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"


# The control, over HTTP and by the command.


def test_the_control_api_sets_limits_and_clears_faults(session: requests.Session, sandbox: Sandbox) -> None:
    control = sandbox.endpoints["control"]
    answer = session.put(f"{control}/faults/error-500", params={"path": "instance-id", "times": "1"}, timeout=5)
    assert answer.json()["faults"] == [{"name": "error-500", "path": "instance-id", "times": 1}]
    assert read(session, sandbox, "placement/region").status_code == 200
    assert read(session, sandbox, "instance-id").status_code == 500
    assert read(session, sandbox, "instance-id").status_code == 200
    session.put(f"{control}/faults/hang", timeout=5)
    assert session.delete(f"{control}/faults", timeout=5).json()["faults"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "faults/nonsense", ""),
        ("PUT", "faults/hang?times=0", ""),
        ("PUT", "faults/hang?times=x", ""),
        ("DELETE", "faults/nonsense", ""),
        ("POST", "rotate/nonsense", ""),
        ("POST", "keys", "nonsense"),
        ("POST", "keys", "[]"),
        ("POST", "keys", '{"user": 1, "key": "x"}'),
    ],
)
def test_the_control_api_answers_400_and_an_error_to_a_request_that_is_wrong(
    session: requests.Session, sandbox: Sandbox, method: str, path: str, body: str
) -> None:
    answer = session.request(method, f"{sandbox.endpoints['control']}/{path}", data=body, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("what", ["signer", "staples", "tokens"])
def test_the_control_api_rotates_signer_staples_and_tokens(
    session: requests.Session, sandbox: Sandbox, what: str
) -> None:
    cert, ocsp = "managed-ssh-keys/signer-cert", "managed-ssh-keys/signer-ocsp"
    good = token(session, sandbox).text
    chain, names = (read(session, sandbox, path).text for path in (cert, ocsp))
    session.post(f"{sandbox.endpoints['control']}/rotate/{what}", timeout=5)
    assert (read(session, sandbox, cert).text != chain) == (what == "signer")
    assert (read(session, sandbox, ocsp).text != names) == (what == "signer")
    assert (read(session, sandbox, cert, **{TOKEN: good}).status_code == 401) == (what == "tokens")


def eic_sandbox(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "eic_sandbox", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a sandbox that was started by its command describes itself."""
    directory = tmp_path_factory.mktemp("sandbox")
    command = processes.sandbox_command(str(directory))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        processes.await_sandbox(process, str(directory))
        yield directory
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


def test_eic_sandbox_run_writes_files_that_eic_sshd_accepts(folder: Path) -> None:
    assert json.loads((folder / "sandbox.json").read_text())["instance"]["instance_id"] == ID
    assert (folder / "root.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")
    checked = subprocess.run(
        [sys.executable, "-m", "eic_sshd", "check-config", "--config", str(folder / "eic-sshd.conf")],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert checked.returncode == 0
    assert f"ca_file = {folder / 'root.pem'}\n" in checked.stdout


def test_eic_sandbox_controls_a_running_sandbox(folder: Path, ed25519: str) -> None:
    at = ["--directory", str(folder)]
    assert json.loads(eic_sandbox("fault", *at, "slow", "--times", "3").stdout)["faults"][0]["times"] == 3
    assert json.loads(eic_sandbox("clear", *at).stdout)["faults"] == []
    assert json.loads(eic_sandbox("rotate", *at, "signer").stdout)["faults"] == []
    (folder / "key.pub").write_text(ed25519)
    assert json.loads(eic_sandbox("push", *at, "root", str(folder / "key.pub")).stdout)["request_id"]
    assert json.loads(eic_sandbox("status", *at).stdout)["endpoints"]["imds"].startswith("http://127.0.0.1:")


def test_eic_sandbox_faults_lists_every_fault() -> None:
    assert [line.split()[0] for line in eic_sandbox("faults").stdout.splitlines()] == list(ALL)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["status", "--directory", "/nonexistent"], "/nonexistent/sandbox.json: no such file"),
        (["status", "--control", "http://127.0.0.1:9"], "control API: no answer"),
        (["run", "--instance-id", "x"], "--instance-id: invalid ('x')"),
        (["run", "--imds-port", "99999"], "--imds-port: out of range (99999)"),
        (["run", "--api-port", "-1"], "--api-port: out of range (-1)"),
        (["run", "--window", "0"], "--window: out of range (0)"),
        (["run", "--region", ""], "--region: invalid ('')"),
        (["run", "--host", "192.0.2.1"], "imds: cannot listen on 192.0.2.1"),
        (["status", "--control", "nonsense"], "control API: no answer"),
        (["push", "root", "/usr/bin/env"], "/usr/bin/env: not a public key"),
        (["push", "--control", "http://127.0.0.1:9", "root", "/nonexistent"], "/nonexistent"),
    ],
)
def test_an_error_of_eic_sandbox_is_one_line(arguments: list[str], says: str) -> None:
    done = eic_sandbox(*arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["fault", "nonsense"], [], ["nonsense"], ["rotate", "x"]])
def test_wrong_arguments_of_eic_sandbox_are_a_usage_error(arguments: list[str]) -> None:
    done = eic_sandbox(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_port_that_is_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = eic_sandbox("run", "--imds-port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "imds: cannot listen on 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


def test_standard_output_that_cannot_be_written_is_an_error_of_one_line() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "eic_sandbox", "faults"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (1, "eic-sandbox: standard output: No space left on device\n")
