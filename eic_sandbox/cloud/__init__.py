# SPDX-License-Identifier: Apache-2.0
"""The cloud as it is now: users and roles, networks, instances, endpoints; and who may do what with them."""
