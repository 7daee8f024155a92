# SPDX-License-Identifier: Apache-2.0
"""The AWS APIs that the sandbox offers."""
