# SPDX-License-Identifier: Apache-2.0
"""The signer of pushed keys: its certificate, the path to a trusted root, OCSP, and its signatures."""
