# SPDX-License-Identifier: Apache-2.0
"""Who may be whom: pairs of a caller and an account under one set of policies, for all tests of them."""

from __future__ import annotations

from typing import Dict, List, Tuple

A = "123456789012"
SSO = "AWSReservedSSO_Dev_0123456789abcdef"
ORDINARY, SYSTEM, ROOT = 1000, 999, 0
POLICIES = f"""
[policy "operators"]
callers = arn:aws:sts::{A}:assumed-role/Operators/*
os_users = ec2-user root daemon
[policy "sso"]
callers = arn:aws:sts::{A}:assumed-role/AWSReservedSSO_Dev_????????????????/${{os_user}}@example.com
os_users = *
[policy "named"]
callers =
    arn:aws:iam::{A}:user/ops/alice
    arn:aws-cn:iam::{A}:root
    arn:*:iam::{A}:user/${{os_user}}
    arn:aws:sts::{A}:federated-user/fed-?
os_users = alice bin
[policy "wild"]
callers = arn:aws:iam::????????????:role/a*b?
os_users = app-* db?
[policy "team"]
callers = arn:aws:iam::{A}:user/team/*
os_users = @staff "@domain users"
"""
MEMBERSHIPS: Dict[str, Tuple[str, ...]] = {"carol": ("staff",), "dave": ("domain users",), "bin": ("staff",)}
GROUPS = ("staff", "domain users")


def sts(rest: str, account: str = A, partition: str = "aws") -> str:
    """An ARN of STS."""
    return f"arn:{partition}:sts::{account}:{rest}"


def iam(rest: str, account: str = A, partition: str = "aws") -> str:
    """An ARN of IAM."""
    return f"arn:{partition}:iam::{account}:{rest}"


# Caller, user, uid, and the policies that allow it.
PAIRS: List[Tuple[str, str, int, Tuple[str, ...]]] = [
    (sts("assumed-role/Operators/alice"), "ec2-user", ORDINARY, ("operators",)),
    (sts("assumed-role/Operators/i-0123456789abcdef0"), "ec2-user", ORDINARY, ("operators",)),
    (sts("assumed-role/Operators/x"), "root", ROOT, ("operators",)),
    (sts("assumed-role/Operators/x"), "daemon", SYSTEM, ("operators",)),
    (sts("assumed-role/Operators/*"), "ec2-user", ORDINARY, ("operators",)),
    (sts("assumed-role/Operators/x"), "alice", ORDINARY, ()),
    (sts("assumed-role/Operators/x/y"), "ec2-user", ORDINARY, ()),
    (sts("assumed-role/Operators"), "ec2-user", ORDINARY, ()),
    (sts("assumed-role/operators/x"), "ec2-user", ORDINARY, ()),
    (sts("assumed-role/Operators2/x"), "ec2-user", ORDINARY, ()),
    (sts("assumed-role/XOperators/x"), "ec2-user", ORDINARY, ()),
    (sts("assumed-role/Operators/x", "123456789013"), "ec2-user", ORDINARY, ()),
    (sts("assumed-role/Operators/x", partition="aws-cn"), "ec2-user", ORDINARY, ()),
    (iam("role/Operators"), "ec2-user", ORDINARY, ()),
    (iam("assumed-role/Operators/x"), "ec2-user", ORDINARY, ()),
    (sts("role/Operators/x"), "ec2-user", ORDINARY, ()),
    (sts("Assumed-Role/Operators/x"), "ec2-user", ORDINARY, ()),
    (sts("assumed-role/path/Operators/x"), "ec2-user", ORDINARY, ()),
    (sts("assumed-role/*/x"), "ec2-user", ORDINARY, ()),
    (sts("*/Operators/x"), "ec2-user", ORDINARY, ()),
    (sts(f"assumed-role/{SSO}/carol@example.com"), "carol", ORDINARY, ("sso",)),
    (sts(f"assumed-role/{SSO}/carol@example.com"), "dave", ORDINARY, ()),
    (sts(f"assumed-role/{SSO}/Carol@example.com"), "carol", ORDINARY, ()),
    (sts(f"assumed-role/{SSO}/carol@example.com"), "Carol", ORDINARY, ()),
    (sts(f"assumed-role/{SSO}/carol@example.org"), "carol", ORDINARY, ()),
    (sts(f"assumed-role/{SSO}/carol@example.com.evil"), "carol", ORDINARY, ()),
    (sts(f"assumed-role/{SSO}/xcarol@example.com"), "carol", ORDINARY, ()),
    (sts(f"assumed-role/{SSO}/@example.com"), "carol", ORDINARY, ()),
    (sts(f"assumed-role/{SSO}/*@example.com"), "carol", ORDINARY, ()),
    (sts(f"assumed-role/{SSO}/${{os_user}}@example.com"), "carol", ORDINARY, ()),
    (sts(f"assumed-role/{SSO[:-1]}/carol@example.com"), "carol", ORDINARY, ()),
    (sts(f"assumed-role/{SSO}0/carol@example.com"), "carol", ORDINARY, ()),
    (sts(f"assumed-role/{SSO}/root@example.com"), "root", ROOT, ()),
    (sts(f"assumed-role/{SSO}/daemon@example.com"), "daemon", SYSTEM, ()),
    (sts(f"assumed-role/{SSO}/toor@example.com"), "toor", ROOT, ()),
    (sts(f"assumed-role/{SSO}/nobody@example.com"), "nobody", 65534, ("sso",)),
    (iam("user/ops/alice"), "alice", ORDINARY, ("named",)),
    (iam("user/ops/alice"), "bin", SYSTEM, ("named",)),
    (iam("user/ops/alice"), "carol", ORDINARY, ()),
    (iam("user/ops/alice/"), "alice", ORDINARY, ()),
    (iam("user//ops/alice"), "alice", ORDINARY, ()),
    (iam("user/alice"), "alice", ORDINARY, ("named",)),
    (iam("user/alice", partition="aws-us-gov"), "alice", ORDINARY, ("named",)),
    (iam("user/alice", "123456789013"), "alice", ORDINARY, ()),
    (iam("user/bin"), "bin", SYSTEM, ()),
    (iam("user/bin"), "bin", ORDINARY, ("named",)),
    (iam("root", partition="aws-cn"), "alice", ORDINARY, ("named",)),
    (iam("root"), "alice", ORDINARY, ()),
    (iam("root/alice", partition="aws-cn"), "alice", ORDINARY, ()),
    (sts("federated-user/fed-1"), "alice", ORDINARY, ("named",)),
    (sts("federated-user/fed-"), "alice", ORDINARY, ()),
    (sts("federated-user/fed-12"), "alice", ORDINARY, ()),
    (iam("role/axxb1", "999999999999"), "app-1", ORDINARY, ("wild",)),
    (iam("role/ab1", "999999999999"), "app-1", ORDINARY, ()),
    (iam("role/axb"), "app-1", ORDINARY, ()),
    (iam("role/p/axb1"), "app-1", ORDINARY, ()),
    (iam("role/axb1"), "app-", ORDINARY, ()),
    (iam("role/axb1"), "app-x", SYSTEM, ()),
    (iam("role/axb1"), "db1", ORDINARY, ("wild",)),
    (iam("role/axb1"), "db", ORDINARY, ()),
    (iam("role/axb1"), "db12", ORDINARY, ()),
    (iam("role/axb1", "99999999999"), "db1", ORDINARY, ()),
    (iam("user/team/eve"), "carol", ORDINARY, ("team",)),
    (iam("user/team/eve"), "dave", ORDINARY, ("team",)),
    (iam("user/team/eve"), "eve", ORDINARY, ()),
    (iam("user/team/eve"), "bin", SYSTEM, ()),
    (iam("user/team/eve"), "carol", SYSTEM, ()),
    ("arn:aws:iam:us-east-1:123456789012:user/alice", "alice", ORDINARY, ()),
    ("arn:aws:iam::123456789012:user/alice extra", "alice", ORDINARY, ()),
    ("xarn:aws:iam::123456789012:user/alice", "alice", ORDINARY, ()),
    ("", "alice", ORDINARY, ()),
    ("arn:aws:iam::123456789012:user/\u00e4lice", "alice", ORDINARY, ()),
    ("arn:aws:iam::123456789012:user/alice\n", "alice", ORDINARY, ()),
]
