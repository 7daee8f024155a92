# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from testbed.private_host import with_accounts

OURS = ["ec2-user:x:59981:59981::/run/home:/bin/sh", "deploy:x:59982:59982::/run/home:/bin/sh"]
FIRST = "".join(f"{line}\n" for line in OURS).encode()


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        (b"root:x:0:0::/root:/bin/sh\n", b"root:x:0:0::/root:/bin/sh\n"),
        (b"root:x:0:0::/root:/bin/sh", b"root:x:0:0::/root:/bin/sh\n"),
        (b"deploy:x:1000:1000::/home/deploy:/sbin/nologin\nroot:x:0:0::/:/bin/sh\n", b"root:x:0:0::/:/bin/sh\n"),
        (b"ec2-user:!:1::::1::\nec2-user:!:2::::2::\n", b""),
        (b"deployer:x:1:\nec2-user2:x:2:\n", b"deployer:x:1:\nec2-user2:x:2:\n"),
        (b"docker:x:999:deploy,ec2-user\n", b"docker:x:999:deploy,ec2-user\n"),
        (b"other:x:59981:59981::/:/bin/sh\n", b"other:x:59981:59981::/:/bin/sh\n"),
        (b"m\xfcller:x:7:7:\xff:/:/bin/sh\n\n+::::::\n", b"m\xfcller:x:7:7:\xff:/:/bin/sh\n+::::::\n"),
        (b"", b""),
    ],
)
def test_accounts_of_the_private_host_precede_and_replace_those_of_their_names(before: bytes, kept: bytes) -> None:
    assert with_accounts(before, OURS) == FIRST + kept
