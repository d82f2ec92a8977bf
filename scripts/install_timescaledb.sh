#!/usr/bin/env bash
# Put the TimescaleDB extension (Apache edition) into Debian's PostgreSQL.
#
# Debian 13 and later package it. Debian 12 does not, so there the source package
# of Debian 13 is built against Debian 12's PostgreSQL (about half a minute). The
# machine's own package lists and installed server packages are left as they are.
#
# Usage: scripts/install_timescaledb.sh      as root; quick when already installed
set -euo pipefail

say() { printf '[timescaledb] %s\n' "$*"; }
die() { printf '[timescaledb] %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "must run as root (it installs packages)"
# shellcheck source=/dev/null
. /etc/os-release
release=${VERSION_ID%%.*}
[ "${ID:-}" = debian ] || die "only Debian 12 and 13 are supported, this is ${ID:-?}"
case $release in
    12) major=15 ;;
    13) major=17 ;;
    *) die "only Debian 12 and 13 are supported, this is Debian $release" ;;
esac

control=/usr/share/postgresql/$major/extension/timescaledb.control
library=/usr/lib/postgresql/$major/lib/timescaledb.so
server=/usr/lib/postgresql/$major/bin/postgres
if [ -x "$server" ] && [ -e "$control" ] && [ -e "$library" ]; then
    version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" "$control")
    say "already there: TimescaleDB $version on PostgreSQL $major"
    exit 0
fi

export DEBIAN_FRONTEND=noninteractive
work=$(mktemp -d)
undo=()
cleanup() {
    for path in "${undo[@]}"; do rm -f "$path"; done
    rm -rf "$work"
}
trap cleanup EXIT

# A server that tests start themselves must not come up as a system service too,
# and no cluster is wanted in /var/lib/postgresql.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    undo+=(/usr/sbin/policy-rc.d)
fi
if [ ! -e /usr/bin/pg_createcluster ]; then
    mkdir -p /etc/postgresql-common/createcluster.d
    no_cluster=/etc/postgresql-common/createcluster.d/no-main-cluster.conf
    echo 'create_main_cluster = false' > "$no_cluster"
    undo+=("$no_cluster")
fi

install() { apt-get install -y -q --no-install-recommends "$@" > "$work/apt.log" 2>&1 ||
    { tail -n 20 "$work/apt.log" >&2; die "apt-get install $* failed"; }; }

apt-get update -q > "$work/apt.log" 2>&1 || { cat "$work/apt.log" >&2; die "apt-get update failed"; }
if [ "$release" -ge 13 ]; then
    say "installing postgresql-$major-timescaledb"
    install "postgresql-$major" "postgresql-$major-timescaledb"
    exit 0
fi

say "installing PostgreSQL $major and what the build needs"
[ -x "$server" ] || install "postgresql-$major"
install "postgresql-server-dev-$major" build-essential cmake libssl-dev dpkg-dev

# The mirror is the one this machine already uses for its own release; the keyring is
# the one of Debian's own package, so the source is verified as any package is.
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' \
    'Created-By: Packages' |
    awk -v name="$VERSION_CODENAME" '$2 == name && $3 == "main" && !n++ { print $1 }')
[ -n "$mirror" ] || die "no apt source for $VERSION_CODENAME main on this machine"
printf 'Types: deb-src\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: %s\n' \
    "$mirror" /usr/share/keyrings/debian-archive-keyring.gpg > "$work/trixie.sources"
# Lists of their own keep `apt-cache` and later upgrades of the machine untouched.
mkdir -p "$work/lists/partial" "$work/src"
apt_options=(-o "Dir::Etc::sourcelist=$work/trixie.sources" -o "Dir::Etc::sourceparts=-"
    -o "Dir::State::lists=$work/lists" -o "APT::Sandbox::User=root")
say "fetching the source package of Debian 13"
apt-get "${apt_options[@]}" update -q > "$work/apt.log" 2>&1 ||
    { cat "$work/apt.log" >&2; die "cannot read the source list of Debian 13"; }
(cd "$work/src" && apt-get "${apt_options[@]}" source -q timescaledb > "$work/apt.log" 2>&1) ||
    { tail -n 20 "$work/apt.log" >&2; die "cannot fetch the source package"; }

say "building"
tree=$(find "$work/src" -mindepth 1 -maxdepth 1 -type d -name 'timescaledb-*' | head -n 1)
[ -n "$tree" ] || die "the source package holds no timescaledb-* folder"
{
    cmake -S "$tree" -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DAPACHE_ONLY=1 \
        -DPG_CONFIG="/usr/lib/postgresql/$major/bin/pg_config" \
        -DREGRESS_CHECKS=OFF -DTAP_CHECKS=OFF -DWARNINGS_AS_ERRORS=OFF
    cmake --build "$work/build" --parallel "$(nproc)"
    cmake --install "$work/build"
} > "$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" >&2; die "the build failed"; }
[ -e "$control" ] && [ -e "$library" ] || die "the build left no extension behind"
say "done: $(sed -n "s/^default_version *= *'\(.*\)'/\1/p" "$control") on PostgreSQL $major"
