# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the AWS side of EC2 Instance Connect on one machine.

It has accounts, policies, networks, instances with IMDSv2, the APIs, endpoints with their tunnels, CloudTrail's events,
and the PKI behind pushed keys. It is for the demo, the tests, and image builds that have no AWS account. It imports
nothing of eic_sshd: it is the other side of the contract between EC2 and the instance, written from AWS's documentation
and from what unchanged clients send.
"""

__version__ = "0.1.0"
