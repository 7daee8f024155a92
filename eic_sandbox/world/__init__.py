# SPDX-License-Identifier: Apache-2.0
"""The world file: who and what the sandbox stands in for (docs/sandbox.md describes it)."""
