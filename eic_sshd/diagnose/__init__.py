# SPDX-License-Identifier: Apache-2.0
"""What prevents logins with pushed keys on this machine, and what to do about it. Nothing is changed here."""
