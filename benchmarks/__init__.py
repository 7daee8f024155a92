# SPDX-License-Identifier: Apache-2.0
"""How fast eic-sshd is: every case in one run, side by side, as ratios to starting Python. `make bench`."""
