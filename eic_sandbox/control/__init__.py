# SPDX-License-Identifier: Apache-2.0
"""The control API of a running sandbox."""
