#!/usr/bin/env bash
# Install what the tests need beside Python on Debian: Mosquitto, Chromium, a small
# Chinese font for its pictures, and PostgreSQL with TimescaleDB. No service is
# started: the tests run their own.
#
# Usage: scripts/install_test_tools.sh       as root; quick when already installed
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
say() { printf '[tools] %s\n' "$*"; }
[ "$(id -u)" = 0 ] || { say "must run as root (it installs packages)" >&2; exit 1; }

missing=()
# dpkg knows a package that was removed but not purged: only "installed" counts.
have() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2> /dev/null)" = installed ]; }
# python3-venv: ensurepip is split off Debian's python3. fonts-wqy-microhei: 1.6 MB
# instead of the 56 MB of fonts-noto-cjk, enough for readable Chinese.
for package in mosquitto chromium fonts-wqy-microhei python3 python3-venv make; do
    have "$package" || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    made_policy=
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
        made_policy=/usr/sbin/policy-rc.d
    fi
    trap 'rm -f "$log" $made_policy' EXIT
    { apt-get update -q &&
        apt-get install -y -q --no-install-recommends "${missing[@]}"; } > "$log" 2>&1 ||
        { tail -n 20 "$log" >&2; say "apt-get failed" >&2; exit 1; }
else
    say "Mosquitto, Chromium and the font are already there"
fi
"$here/install_timescaledb.sh"
