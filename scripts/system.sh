#!/bin/sh
# Sees to the programs that the tests run and pip does not bring. Silent when all are there.
# Missing ones are installed where that is possible (root, apt-get), else named with the command that gets them.
# With CI=true a program that stays missing is a failure.
set -eu
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# program, Debian package
programs='
chromium chromium
gcc build-essential
mount mount
unshare util-linux
openssl openssl
rsync rsync
sshd openssh-server
sbatch slurm-client
slurmctld slurmctld
slurmd slurmd
munged munge
'

missing() {
    echo "$programs" | while read -r program package; do
        [ -z "$program" ] || command -v "$program" >/dev/null || echo "$package"
    done
}

# A package with a service starts it where a service manager runs; on such a machine that is its owner's to decide.
may_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && { [ "${CI:-}" = true ] || [ ! -d /run/systemd/system ]; }
}

wanted=$(missing | tr '\n' ' ')
[ -n "$wanted" ] || exit 0
if may_install; then
    echo "system: installing $wanted"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -qq --no-install-recommends $wanted; } </dev/null >/dev/null || true
    wanted=$(missing | tr '\n' ' ')
    [ -n "$wanted" ] || exit 0
fi
echo "system: missing: ${wanted}(on Debian and Ubuntu: sudo apt-get install $wanted); tests that need it are skipped" >&2
[ "${CI:-}" != true ]
