# SPDX-License-Identifier: Apache-2.0
"""Pushes a public key through boto3, as `aws ec2-instance-connect send-ssh-public-key` does.

boto3 takes credentials, region and endpoint from the environment, which `eic-sandbox env` prints.
"""

from __future__ import annotations

import argparse
import sys
from typing import Optional, Sequence

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Prints the request id. Returns 0, or 254 for an error of the service and 255 for another, as the AWS CLI does."""
    parser = argparse.ArgumentParser(prog="python -m testbed.push", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("instance")
    parser.add_argument("user", help="the OS user")
    parser.add_argument("key", metavar="FILE", help="the public key")
    arguments = parser.parse_args(argv)
    try:
        with open(arguments.key, encoding="ascii") as file:
            line = file.read()
        answer = boto3.client("ec2-instance-connect").send_ssh_public_key(
            InstanceId=arguments.instance, InstanceOSUser=arguments.user, SSHPublicKey=line
        )
    except ClientError as error:
        print(error, file=sys.stderr)
        return 254
    except (BotoCoreError, OSError, UnicodeDecodeError) as error:
        print(error, file=sys.stderr)
        return 255
    print(f"RequestId: {answer['RequestId']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
