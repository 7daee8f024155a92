# SPDX-License-Identifier: Apache-2.0
"""`python3 -m eic_sshd`: the command `eic-sshd`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
