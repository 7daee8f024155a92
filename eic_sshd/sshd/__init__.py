# SPDX-License-Identifier: Apache-2.0
"""sshd as it is set up on this machine: its settings, its files, its processes. Nothing is changed here."""
