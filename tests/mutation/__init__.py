# SPDX-License-Identifier: Apache-2.0
"""Mutation testing of the decision: one check at a time is changed, and a unit test must fail. `make mutate`.

rules.py        makes mutants from the syntax tree of a module, by rule
by_hand.py      mutants that no rule makes
equivalent.py   mutants that decide as the original does, each with the reason
reach.py        which unit test reaches which line
trees.py        copies of the project in which one file at a time is a mutant's, and the runs of the tests there
"""
