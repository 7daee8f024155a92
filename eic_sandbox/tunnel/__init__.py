# SPDX-License-Identifier: Apache-2.0
"""The data path of an EC2 Instance Connect Endpoint: from a client's WebSocket to a TCP port of an instance."""
