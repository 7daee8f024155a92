# SPDX-License-Identifier: Apache-2.0
"""The certificates and OCSP staples behind the signer of pushed keys."""
