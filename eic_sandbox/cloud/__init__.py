# SPDX-License-Identifier: Apache-2.0
"""The state of the simulated cloud: one instance and the keys pushed to it."""
