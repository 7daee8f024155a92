# SPDX-License-Identifier: Apache-2.0
"""The built packages on whole Debian machines, booted in containers: `make test-instance`, as root."""
