# SPDX-License-Identifier: Apache-2.0
"""The resident daemon, which answers what sshd runs."""
