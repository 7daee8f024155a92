# SPDX-License-Identifier: Apache-2.0
"""The instance metadata service: what it answers, how it answers over HTTP, and how it misbehaves."""
