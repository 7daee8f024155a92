# SPDX-License-Identifier: Apache-2.0
"""IAM: signatures of requests, the policy language, and the decision. Pure: no I/O, no clock.

Where the IAM User Guide leaves a result open, the evaluator takes the one that allows less, whatever the effect of the
statement: an Allow then does not apply, a Deny does. The docstrings name each such place as "in doubt".
"""
