# SPDX-License-Identifier: Apache-2.0
"""The instance metadata service (IMDSv2): what EC2 Instance Connect needs of it, read within bounds."""
