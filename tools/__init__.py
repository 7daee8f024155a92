# SPDX-License-Identifier: Apache-2.0
"""Makes the manual page, the list of reasons and the example configuration from the code."""
