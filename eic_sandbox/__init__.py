# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the AWS side of EC2 Instance Connect on one machine: IMDSv2, SendSSHPublicKey and their PKI.

It serves the demo, the tests, and image builds that have no AWS account. It imports nothing of eic_sshd: it is the
other side of the contract between EC2 and the instance, written from EC2's documentation alone.
"""

__version__ = "0.1.0"
