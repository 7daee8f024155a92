# SPDX-License-Identifier: Apache-2.0
"""A stand-in for AWS on one machine: IMDSv2, EC2 Instance Connect's API and the PKI behind them.

For the demo, the tests and whoever builds an AMI without an AWS account. Nothing of the instance's side imports it, and
the instance's package does not hold it.
"""
