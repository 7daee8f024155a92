#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Linters, types, import contracts and spelling: tests/lint.sh VENV
set -eu

venv=$1
cd "$(dirname "$0")/.."
"$venv/bin/ruff" check .
"$venv/bin/ruff" format --check .
"$venv/bin/mypy"
"$venv/bin/lint-imports" --no-logo
"$venv/bin/codespell"
