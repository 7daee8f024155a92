# SPDX-License-Identifier: Apache-2.0
"""One decision: may the key that a client offers log in as this user?"""
