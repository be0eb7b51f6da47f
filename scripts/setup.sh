#!/bin/sh
# Makes or mends .venv: torch first, then Realm and its tools, all at the versions in constraints.txt.
# .venv/realm-setup.stamp is written last and tells from which files, Python and folder the environment was made.
# While it tells the same, nothing is left to do; without it, whatever an interrupted run left behind is mended.
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python
stamp=.venv/realm-setup.stamp

say() { echo "setup: $*"; }
fail() { say "$*" >&2; exit 1; }

fits() { "$1" -ISc 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# The programs of an environment name the folder that it was made in.
stays() { grep -qsF "$(pwd -P)/.venv/bin/python" .venv/bin/pip; }

state() {
    [ -x .venv/bin/realm ] && "$python" -ISc '
import hashlib, os, sys
files = [open(name, "rb").read() for name in ("pyproject.toml", "constraints.txt", "realm_cli/__init__.py")]
print(hashlib.sha256(b"\0".join(files)).hexdigest(), sys.version.split()[0], os.getcwd())' 2>/dev/null
}

ready() {
    [ -f "$stamp" ] && made=$(cat "$stamp") && now=$(state) && [ "$made" = "$now" ]
}

make_venv() {
    for found in python3.11 python3 python3.13 python3.12; do
        if fits "$found"; then
            say "making .venv with $("$found" --version) ($found)"
            "$found" -m venv --clear .venv || fail ".venv could not be made; on Debian and Ubuntu: apt-get install python3-venv"
            return
        fi
    done
    fail "Python 3.11 or newer was not found (tried python3.11, python3, python3.13, python3.12); install it, then run: make setup"
}

# A package of which a file is missing or cut off is forgotten, so that pip installs it again.
mend_venv() {
    "$python" -IS - .venv/lib/python3*/site-packages <<'END'
import csv, pathlib, shutil, sys
site = pathlib.Path(sys.argv[1])
def whole(name, size):
    file = site / name
    return file.is_file() and (not size or file.stat().st_size == int(size))
for info in site.glob("*.dist-info"):
    record = info / "RECORD"
    if not record.is_file() or not all(whole(row[0], row[2]) for row in csv.reader(record.open())):
        print(f"setup: {info.name.split('-')[0]} is damaged and will be installed again")
        shutil.rmtree(info)
for left in site.glob("~*"):
    shutil.rmtree(left) if left.is_dir() else left.unlink()
sys.exit(not any(site.glob("pip-*.dist-info")))
END
}

install() {
    "$python" -I -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt "$@" ||
        fail "pip could not install what is missing (its message is above); check network and disk, then run: make setup"
}

if ready; then say ".venv is up to date"; exit 0; fi
if command -v flock >/dev/null; then
    exec 9>.venv.lock
    flock -n 9 || { say "waiting for another set-up of this folder"; flock 9; }
    if ready; then say ".venv is up to date"; exit 0; fi
fi
rm -f "$stamp"
{ fits "$python" && stays && mend_venv; } || make_venv
say "installing torch as constraints.txt names it (the largest download, once)"
install $(grep -E '^(torch|hatchling)==' constraints.txt)
say "installing Realm and its tools"
install --no-build-isolation --editable '.[dev]'
state >"$stamp.new" || fail "pip made no .venv/bin/realm; see [project.scripts] in pyproject.toml"
mv "$stamp.new" "$stamp"
say "done: .venv/bin/realm is ready"
