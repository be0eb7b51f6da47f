#!/bin/sh
# Installs the optional extra that the tests use, once. It comes after setup.sh and system.sh: a package of it is compiled.
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python
"$python" -Ic 'from importlib.metadata import version; version("reasoning-gym")' 2>/dev/null && exit 0
echo "extras: installing reasoning-gym"
"$python" -I -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt \
    --no-build-isolation --editable '.[gym]' || { echo "extras: pip could not install it (its message is above)" >&2; exit 1; }
