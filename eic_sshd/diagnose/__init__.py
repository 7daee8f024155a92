# SPDX-License-Identifier: Apache-2.0
"""What on this machine keeps pushed keys from logging in, and what to do about it. Nothing is changed here."""
