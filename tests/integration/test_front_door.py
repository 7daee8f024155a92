# SPDX-License-Identifier: Apache-2.0
"""The installed front door against the sandbox: every reason, every fault, and the invariants I1 to I5."""

from __future__ import annotations

import base64
import concurrent.futures
import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Dict, List

import pytest

from eic_sandbox.faults import BLOCK_FAULTS, IMDS_FAULTS, METADATA_FAULTS, SIGNER_FAULTS
from eic_sandbox.server import Sandbox
from eic_sshd.model.reasons import Reason
from testbed import keys, private_host
from testbed.keys import fingerprint

from .door import CALLER, STARTING, USER, Door, bare


def test_a_pushed_key_is_printed_anew_and_recorded(door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    answer = door.ask(fingerprint=fingerprint(ed25519))
    assert (answer.status, answer.printed, answer.errors) == (0, bare(ed25519), "")
    (record,) = answer.records
    assert record["decision"] == "granted"
    assert record["caller"] == CALLER
    assert record["sshd_pid"] == os.getpid()
    assert record["elapsed_us"] > 0


def test_without_a_fingerprint_every_pushed_key_is_printed(door: Door) -> None:
    lines = [keys.ed25519_line() for _ in range(3)]
    for line in lines:
        door.sandbox.instance.push(USER, line, CALLER)
    answer = door.ask()
    assert sorted(answer.printed.splitlines(keepends=True)) == sorted(map(bare, lines))
    assert answer.reason == "granted"


def test_a_good_key_among_nine_bad_ones_is_still_printed(door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    door.sandbox.instance.faults.set("mixed-blocks")
    assert door.ask(fingerprint=fingerprint(ed25519)).printed == bare(ed25519)
    assert door.ask().printed == bare(ed25519)


def test_no_key_takes_one_read(door: Door) -> None:
    assert door.ask().reason == "no-active-keys"
    reads = [f"GET latest/meta-data/managed-ssh-keys/active-keys/{USER}"]
    assert door.sandbox.imds.requests == ["PUT latest/api/token", *reads]


def test_a_key_that_is_not_pushed_takes_one_read(door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    assert door.ask(fingerprint=fingerprint(keys.ed25519_line())).reason == "fingerprint-mismatch"
    assert len(door.sandbox.imds.requests) == 2


# Every fault that the sandbox knows, and what it leads to.

GOOD = ("delegated-staples", "sha256-staple-names", "hostile-staple-names", "wrapped-signatures", "mixed-blocks")
FAULTS: Dict[str, str] = {
    "hang": "imds-unreachable",
    "slow": "imds-unreachable",
    "error-500": "imds-error",
    "error-503": "imds-error",
    "unauthorized": "imds-error",
    "forbidden": "imds-disabled",
    "redirect": "imds-error",
    "drop": "imds-error",
    "truncate": "imds-error",
    "garbage": "imds-error",
    "huge-body": "imds-error",
    "wrong-signer-name": "signer-name-mismatch",
    "other-root": "signer-untrusted",
    "unfit-signer": "signer-untrusted",
    "expired-signer": "signer-untrusted",
    "no-certificate": "signer-untrusted",
    "revoked": "signer-revoked",
    "revoked-long-ago": "signer-revoked",
    "unknown-staples": "staple-invalid",
    "stale-staples": "staple-invalid",
    "early-staples": "staple-invalid",
    "no-next-update-staples": "staple-invalid",
    "unauthorized-responder-staples": "staple-invalid",
    "undelegated-staples": "staple-invalid",
    "refused-staples": "staple-invalid",
    "garbage-staples": "staple-invalid",
    "missing-staples": "staple-missing",
    "missing-staple": "staple-missing",
    "bad-signature": "bad-signature",
    "other-instance": "instance-mismatch",
    "past-timestamp": "expired",
    "far-future-timestamp": "expiry-beyond-window",
    "malformed-blocks": "block-malformed",
    "malformed-keys": "key-malformed",
    "unknown-domain": "domain-unknown",
    "foreign-domain": "domain-unknown",
    "bad-instance-id": "imds-error",
    "no-region": "granted",
    **dict.fromkeys(GOOD, "granted"),
}


def test_every_fault_of_the_sandbox_is_tried() -> None:
    assert set(FAULTS) == {*IMDS_FAULTS, *SIGNER_FAULTS, *BLOCK_FAULTS, *METADATA_FAULTS}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_told_by_its_reason_and_prints_nothing(door: Door, ed25519: str, fault: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    door.sandbox.instance.faults.set(fault)
    answer = door.ask(fingerprint=fingerprint(ed25519))
    assert answer.reason == FAULTS[fault], answer.records
    assert answer.printed == (bare(ed25519) if FAULTS[fault] == "granted" else "")
    assert (answer.status, answer.errors) == (0, "")
    assert answer.seconds < 1.0 + STARTING


PATHS = ["api/token", "active-keys", "instance-id", "placement/region", "services/domain", "signer-cert", "signer-ocsp"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("fault", ["hang", "slow", "error-500", "drop", "garbage", "huge-body"])
def test_a_fault_at_any_read_is_told_and_costs_no_more_than_a_request(
    door: Door, ed25519: str, fault: str, path: str
) -> None:
    door.configure("[keys]\nwindow = 60\n")
    door.sandbox.instance.push(USER, ed25519, CALLER)
    door.sandbox.instance.faults.set(fault, path=path)
    answer = door.ask(fingerprint=fingerprint(ed25519))
    assert (answer.reason, answer.printed) == (FAULTS[fault], "")
    assert answer.seconds < 1.0 + STARTING


@pytest.mark.parametrize("fault", ["unauthorized", "error-500"])
def test_one_401_is_mended_by_a_new_token_and_one_500_is_not(door: Door, ed25519: str, fault: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    door.sandbox.instance.faults.set(fault, path="signer-cert", times=1)
    assert door.ask(fingerprint=fingerprint(ed25519)).reason == ("granted" if fault == "unauthorized" else "imds-error")


def test_slow_answers_one_after_another_end_with_the_decisions_deadline(door: Door, ed25519: str) -> None:
    door.config.write_text(door.config.read_text().replace("[imds]\n", "[imds]\ndeadline = 0.3\nrequest_timeout = 5\n"))
    door.sandbox.instance.faults.set("hang")
    answer = door.ask(fingerprint=fingerprint(ed25519))
    assert answer.reason == "deadline-exceeded"
    assert answer.seconds < 0.3 + STARTING


def test_without_imds_the_answer_comes_at_once(door: Door) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        door.configure(endpoint="http://127.0.0.1:%d" % unused.getsockname()[1])
        answer = door.ask()
    assert (answer.reason, answer.printed) == ("imds-unreachable", "")
    assert answer.seconds < STARTING


# Reasons that are no fault of the sandbox's.

PUSHED = {
    "key-type-forbidden": keys.dsa_line(),
    "key-too-short": keys.rsa_line(1024),
    "key-malformed": "ssh-ed25519 AAAA",
}


@pytest.mark.parametrize("reason", PUSHED)
def test_a_forbidden_key_is_refused(door: Door, reason: str) -> None:
    door.sandbox.instance.push(USER, PUSHED[reason], CALLER)
    answer = door.ask()
    assert (answer.reason, answer.printed) == (reason, "")


@pytest.mark.parametrize("user", ["../root", "a b", "x" * 200, "\udcff", "-", "root\n", "root;id"])
def test_a_name_that_cannot_be_is_refused_unasked(door: Door, user: str) -> None:
    answer = door.ask(user)
    assert (answer.reason, answer.printed) == ("user-name-invalid", "")
    assert door.sandbox.imds.requests == []


@pytest.mark.skipif(Path("/sys/hypervisor/uuid").exists(), reason="this machine may be an EC2 instance")
def test_off_ec2_nothing_is_asked(door: Door) -> None:
    door.config.write_text(door.config.read_text().replace("require_ec2_hardware = no", "require_ec2_hardware = yes"))
    assert door.ask().reason == "not-ec2"
    assert door.sandbox.imds.requests == []


@pytest.mark.parametrize("text", ["[keys]\nwindwo = 1\n", "nonsense", "[imds]\nendpoint = x\n", "[nowhere]\n"])
def test_a_configuration_that_does_not_read_grants_nothing_and_is_told(door: Door, ed25519: str, text: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    drop_in = door.config.parent / "conf.d" / "50-bad.conf"
    drop_in.parent.mkdir(exist_ok=True)
    drop_in.write_text(text)
    answer = door.ask(fingerprint=fingerprint(ed25519))
    if text == "nonsense":  # spoils every section, [log] too: the record goes to the default place
        assert (answer.printed, answer.records) == ("", [])
    else:
        assert (answer.reason, answer.printed) == ("config-invalid", "")
        assert str(drop_in) in answer.records[0]["message"]
    assert door.sandbox.imds.requests == []


def test_a_ca_file_that_is_gone_is_told(door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    door.root_pem.unlink()
    answer = door.ask(fingerprint=fingerprint(ed25519))
    assert answer.reason == "config-invalid"
    assert f"[trust] ca_file {door.root_pem}: No such file or directory" in answer.records[0]["message"]


@pytest.mark.skipif(os.geteuid() != 0, reason="a keys file must be root's")
def test_a_key_on_disk_is_handed_out_where_the_site_wants_it(door: Door, ed25519: str, tmp_path: Path) -> None:
    (tmp_path / f"{USER}.keys").write_text(ed25519 + "\n")
    door.configure(f"[fallback]\nkeys_file = {tmp_path}/%u.keys\nwhen = unavailable\n")
    assert door.ask(fingerprint=fingerprint(ed25519)).printed == ""
    door.sandbox.instance.faults.set("hang")
    answer = door.ask(fingerprint=fingerprint(ed25519))
    assert (answer.reason, answer.printed) == ("fallback-file", bare(ed25519))
    assert answer.records[0]["source"] == "file"


@pytest.mark.skipif(not private_host.is_inside(), reason="needs a /run of its own")
@pytest.mark.parametrize("mode", [0o1777, 0o1775])
def test_a_users_link_to_his_own_key_as_another_is_not_followed(
    door: Door, ed25519: str, tmp_path: Path, mode: int
) -> None:
    keys, theirs = Path("/run/keys"), tmp_path / "theirs"
    keys.mkdir(exist_ok=True)
    theirs.write_text(ed25519 + "\n")
    (keys / USER).unlink(missing_ok=True)
    (keys / USER).symlink_to(theirs)
    os.chown(keys / USER, 59982, 59982, follow_symlinks=False)
    door.configure(f"[fallback]\nkeys_file = {keys}/%u\nwhen = no-key\n")
    keys.chmod(mode)
    answer = door.ask(fingerprint=fingerprint(ed25519))
    assert (answer.reason, answer.printed) == ("no-active-keys", "")
    assert "/run/keys: folder writable by" in answer.records[0]["message"]
    keys.chmod(0o755)
    answer = door.ask(fingerprint=fingerprint(ed25519))
    assert (answer.reason, answer.printed) == ("no-active-keys", "")
    assert f"/run/keys/{USER}: symbolic link owned by uid 59982, not by root" in answer.records[0]["message"]
    os.chown(keys / USER, 0, 0, follow_symlinks=False)
    assert door.ask(fingerprint=fingerprint(ed25519)).printed == bare(ed25519)


def test_every_reason_is_produced_somewhere_above() -> None:
    elsewhere = {
        "granted", "no-active-keys", "fingerprint-mismatch", "user-name-invalid", "not-ec2",
        "deadline-exceeded", "config-invalid", "fallback-file", "internal-error", "imds-unreachable",
        "authorizer-failed", "openssl-missing", "library-unusable", "region-mismatch",
    }  # fmt: skip
    assert {reason.word for reason in Reason} == set(FAULTS.values()) | set(PUSHED) | elsewhere


# I1: any error prints nothing, exits with 0 and is recorded once.


@pytest.mark.parametrize("arguments", [[], ["a", "b", "c"], ["--config"], ["--wrong", "root"], [""]])
def test_wrong_arguments_are_the_only_other_exit_status(door: Door, arguments: List[str]) -> None:
    done = subprocess.run([door.command, *arguments], capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: authorized-keys ")


@pytest.mark.parametrize("closed", ["0>&-", "1>&-", "2>&-", "1>&- 2>&-", "0>&- 1>&- 2>&-"])
def test_closed_streams_change_no_decision_and_get_nothing(door: Door, ed25519: str, closed: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", *door.arguments(USER, fingerprint(ed25519))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "" if "1>" in closed else bare(ed25519))
    assert done.stderr == ""
    (record,) = door.log.read_text().splitlines()
    assert json.loads(record)["reason"] == "granted"


def run_altered(door: Door, tmp_path: Path, old: str, new: str) -> subprocess.CompletedProcess[str]:
    """Run the front door with its text altered, beside the installed package."""
    source = Path(door.command).read_text()
    assert old in source
    altered = tmp_path / "authorized-keys"
    altered.write_text(source.replace(old, new))
    altered.chmod(0o755)
    arguments = [str(altered), *door.arguments(USER)[1:]]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("module", ["imds/bounded.py", "trust/signer.py"])
def test_a_library_that_does_not_load_is_named_as_the_reason(
    door: Door, tmp_path: Path, ed25519: str, module: str
) -> None:
    here = tmp_path / "eic_sshd"
    shutil.copytree(Path(door.command).parent / "eic_sshd", here)
    (here / module).write_text("import a_library_that_is_not_there\n")
    door.sandbox.instance.push(USER, ed25519, CALLER)
    done = run_altered(door, tmp_path, "", "")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (record,) = [json.loads(line) for line in door.log.read_text().splitlines()]
    assert record["reason"] == "library-unusable"
    assert "a_library_that_is_not_there" in record["message"]


def test_a_missing_package_is_no_traceback(door: Door, tmp_path: Path) -> None:
    done = run_altered(door, tmp_path, "from eic_sshd import client", "from eic_sshd_gone import client")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


REPLACED = """
import os

os.rename(__file__ + ".new", __file__)  # the package manager comes to this file
raise {error}("half of it is new")
"""


@pytest.mark.parametrize(
    "module", ["client.py", "invocation.py", "standalone.py", "imds/bounded.py", "trust/signer.py"]
)
@pytest.mark.parametrize("error", ["ImportError", "AttributeError"])
def test_a_package_that_is_being_replaced_costs_no_login(
    door: Door, tmp_path: Path, ed25519: str, module: str, error: str
) -> None:
    here = tmp_path / "eic_sshd"
    shutil.copytree(Path(door.command).parent / "eic_sshd", here)
    (here / module).rename(here / f"{module}.new")
    (here / module).write_text(REPLACED.format(error=error))
    door.sandbox.instance.push(USER, ed25519, CALLER)
    assert run_altered(door, tmp_path, "", "").stdout == bare(ed25519)
    (record,) = door.log.read_text().splitlines()
    assert '"granted"' in record


OF_ANOTHER_VERSION = """
import os

os.rename(__file__ + ".new", __file__)


def main(arguments):
    raise SystemExit(1)
"""


def test_a_client_of_another_version_is_run_once_more(door: Door, tmp_path: Path, ed25519: str) -> None:
    here = tmp_path / "eic_sshd"
    shutil.copytree(Path(door.command).parent / "eic_sshd", here)
    (here / "client.py").rename(here / "client.py.new")
    (here / "client.py").write_text(OF_ANOTHER_VERSION)
    door.sandbox.instance.push(USER, ed25519, CALLER)
    assert run_altered(door, tmp_path, "", "").stdout == bare(ed25519)


@pytest.mark.parametrize("text", ["", "raise KeyboardInterrupt", "syntax error", "def main(a, b): raise SystemExit(1)"])
def test_a_client_that_stays_unusable_prints_nothing_and_ends_with_0(door: Door, tmp_path: Path, text: str) -> None:
    here = tmp_path / "eic_sshd"
    shutil.copytree(Path(door.command).parent / "eic_sshd", here)
    (here / "client.py").write_text(text)
    done = run_altered(door, tmp_path, "", "")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


HANGING = """
    import os, sys, time
    sys.path[:0] = [{lib!r}, "/usr/lib/python3/dist-packages"]
    from eic_sshd import standalone
    from eic_sshd.decide import dependencies
    from eic_sshd.invocation import Invocation
    dependencies.AnyHardware.require_ec2 = lambda hardware: time.sleep(60)
    invocation = Invocation("root", config_file={config!r}, begun=time.monotonic())
    print(standalone.answer(invocation, lambda answer: (print(answer, flush=True), os._exit(0))))
"""


def test_a_step_that_hangs_ends_with_the_deadline_and_is_named(door: Door) -> None:
    door.config.write_text(door.config.read_text().replace("[imds]\n", "[imds]\ndeadline = 0.3\n"))
    program = textwrap.dedent(HANGING.format(lib=str(Path(door.command).parent), config=str(door.config)))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "b''\n")
    (record,) = [json.loads(line) for line in door.log.read_text().splitlines()]
    assert record["reason"] == "deadline-exceeded"
    assert "the step under way was: reading what hardware this is" in record["message"]
    assert "this process could compute for" in record["message"]


# I2: the answer is written once, whole, at the end.


def test_an_answer_of_many_keys_is_one_write(door: Door) -> None:
    lines = [keys.ed25519_line() for _ in range(50)]
    for line in lines:
        door.sandbox.instance.push(USER, line, CALLER)
    # A datagram socket keeps each write apart.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        subprocess.run(door.arguments(USER), stdout=theirs.fileno(), timeout=20, check=True)
        ours.setblocking(False)
        written = ours.recv(1 << 20)
        with pytest.raises(BlockingIOError):
            ours.recv(1)
    assert len(written) == sum(len(bare(line)) for line in lines)


def test_an_sshd_that_went_away_is_no_error(door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    process = subprocess.Popen(door.arguments(USER), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=20), errors) == (0, b"")


# I3: nothing of the environment counts.


def test_nothing_of_the_environment_counts(door: Door, ed25519: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    evil = f"open({str(trap)!r}, 'a').write(__name__ + chr(10))\n"
    modules = tmp_path / "modules"
    site = tmp_path / f".local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    for folder in (modules, site):
        folder.mkdir(parents=True)
        for name in ("requests", "cryptography", "json", "eic_sshd", "sitecustomize", "usercustomize", "posix"):
            (folder / f"{name}.py").write_text(evil)
        (folder / "evil.pth").write_text(f"import os; {evil}")
    (tmp_path / "openssl.cnf").write_text(".include /nonexistent\n")
    door.sandbox.instance.push(USER, ed25519, CALLER)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        url = "http://127.0.0.1:%d" % proxy.getsockname()[1]
        env = {
            **dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"), url),
            "PATH": str(modules),
            "HOME": str(tmp_path),
            "PYTHONPATH": str(modules),
            "PYTHONSTARTUP": str(modules / "json.py"),
            "PYTHONHOME": str(modules),
            "PYTHONUSERBASE": str(tmp_path / ".local"),
            "PYTHONPYCACHEPREFIX": str(modules),
            "PYTHONWARNINGS": "error",
            "PYTHONVERBOSE": "1",
            "OPENSSL_CONF": str(tmp_path / "openssl.cnf"),
            "OPENSSL_MODULES": str(modules),
            "SSL_CERT_FILE": str(tmp_path / "openssl.cnf"),
            "REQUESTS_CA_BUNDLE": str(tmp_path / "openssl.cnf"),
            "LC_ALL": "C",
            "TZ": "Pacific/Kiritimati",
        }
        answer = door.ask(fingerprint=fingerprint(ed25519), env=env)
    assert (answer.printed, answer.errors) == (bare(ed25519), "")
    assert not trap.exists(), trap.read_text()


def test_an_empty_environment_is_enough(door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    assert door.ask(fingerprint=fingerprint(ed25519), env={}).printed == bare(ed25519)


# I4 is tried above, fault by fault; here: bounded also where every fault comes in turn.


def test_many_at_once_are_all_answered_right(door: Door) -> None:
    lines = [keys.ed25519_line() for _ in range(6)]
    for line in lines[:3]:
        door.sandbox.instance.push(USER, line, CALLER)

    def ask(line: str) -> str:
        arguments = door.arguments(USER, fingerprint(line))
        return subprocess.run(arguments, capture_output=True, text=True, timeout=60).stdout

    door.config.write_text(door.config.read_text().replace("[imds]\n", "[imds]\ndeadline = 20\nrequest_timeout = 10\n"))
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, lines * 3))
    assert answers == [bare(line) if line in lines[:3] else "" for line in lines] * 3
    assert len(door.log.read_text().splitlines()) == 18


def test_a_rotation_while_logins_run_refuses_none(door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    for what in ("rotate_signer", "rotate_staples"):
        getattr(door.sandbox.instance, what)()
        assert door.ask(fingerprint=fingerprint(ed25519)).printed == bare(ed25519)


@pytest.mark.parametrize("names", ["", "\u00e9\n", "x" * 5000])
def test_a_fingerprint_that_is_none_is_only_a_mismatch(door: Door, ed25519: str, names: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    answer = door.ask(fingerprint=names)
    assert answer.reason == ("fingerprint-mismatch" if names else "granted")


def test_an_answer_of_another_services_bytes_is_refused(door: Door, sandbox: Sandbox) -> None:
    sandbox.instance.push(USER, base64.b64encode(b"junk").decode(), "arn\n#Instance=i-0")
    assert door.ask().reason in ("block-malformed", "key-malformed")
