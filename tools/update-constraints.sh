#!/usr/bin/env bash
# Writes constraints.txt anew: the newest releases that pyproject.toml allows, every transitive one pinned.
# Run it on the oldest supported Python (3.11), then `make check test`, then commit.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"${PYTHON:-python3}" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install -q --upgrade pip setuptools
# Only the metadata matters, so a bare copy is installed, not the tree.
cp pyproject.toml "$scratch/"
touch "$scratch/README.md"
"$scratch/venv/bin/python" -m pip install -q --no-build-isolation "$scratch[test,check]"
{
    echo "# Exact versions of everything make installs. Written by tools/update-constraints.sh; do not edit."
    "$scratch/venv/bin/python" -m pip freeze --all | grep -v '^akashi '
} >constraints.txt
