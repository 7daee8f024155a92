# SPDX-License-Identifier: Apache-2.0
"""The world file, which describes accounts, identities, networks and instances (docs/sandbox.md)."""
