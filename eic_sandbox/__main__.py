# SPDX-License-Identifier: Apache-2.0
"""`python3 -m eic_sandbox`."""

import sys

from .cli import main

sys.exit(main())
