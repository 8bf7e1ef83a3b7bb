#!/usr/bin/env bash
# Installs the Debian packages that the tests talk to (authoritative servers, peer resolvers, tools).
#
#   tools/install-debian-packages.sh          what `make test` uses
#   tools/install-debian-packages.sh later    also what only measurements, drills and page tests use
#   tools/install-debian-packages.sh list     print both lists and what is installed; change nothing
#
# No daemon is started: a policy-rc.d that forbids it stands while apt works (one that was there before is put back),
# and the units of what was newly installed are disabled, so that none starts at the next boot either.
# Nothing that is installed is ever removed (`--no-remove`); what would need that is left out and named.
# Without root, or without apt-get, it says what is missing and exits 0: the tests that need a missing program skip
# and say so. When everything is there it costs one dpkg-query.
set -euo pipefail

readonly TEST_PACKAGES=(
    bind9-dnsutils          # dig, delv
    bind9-utils             # named-checkconf, named-checkzone, dnssec-signzone
    bind9                   # named
    prometheus              # promtool: alert rules; a server that scrapes the daemon
    dnsdist dnsperf         # two instances behind a load balancer; steady load
    nsd knot                # authoritative servers the daemon is pointed at
    pdns-server pdns-backend-bind pdns-backend-sqlite3
    unbound                 # the peer whose answers ours are compared with
    ldnsutils               # ldns-signzone, ldns-verify-zone: an independent signer and verifier
    faketime                # the daemon under a faked clock
    gcc libc6-dev           # a kernel with faults, for the alerts
)
readonly LATER_PACKAGES=(
    pdns-recursor knot-resolver                     # side-by-side measurements
    chromium                                        # page tests
)
# Not installed, because that would push out what sets this machine's clock: unpacked under .debian/ in the project, where the
# tests find them. Nothing of them runs by itself.
readonly ASIDE_PACKAGES=(
    chrony                  # a real time server for the clock check, on a port of its own
)
ASIDE=${AKASHI_ASIDE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.debian}
readonly ASIDE
readonly POLICY=${AKASHI_POLICY_RC_D:-/usr/sbin/policy-rc.d}

say() { printf 'debian packages: %s\n' "$*" >&2; }

is_installed() { [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || true) == installed ]]; }

# Prints those of its arguments that are not installed, one a line.
missing() {
    local installed package
    installed=" $(dpkg-query -W -f='${db:Status-Status}=${Package} ' "$@" 2>/dev/null || true)"
    for package in "$@"; do
        [[ $installed == *" installed=$package "* ]] || printf '%s\n' "$package"
    done
}

list() {
    local package
    for package in "${TEST_PACKAGES[@]}"; do
        printf 'test   %-22s %s\n' "$package" "$(is_installed "$package" && echo installed || echo missing)"
    done
    for package in "${LATER_PACKAGES[@]}"; do
        printf 'later  %-22s %s\n' "$package" "$(is_installed "$package" && echo installed || echo missing)"
    done
}

# Unpacks packages that are neither installed nor unpacked yet. Needs no root.
unpack_aside() {
    local package directory
    for package in "${ASIDE_PACKAGES[@]}"; do
        if [[ -d $ASIDE/$package ]] || is_installed "$package"; then continue; fi
        directory=$(mktemp -d)
        if (cd "$directory" && apt-get -qq download "$package" 2>/dev/null) &&
            dpkg-deb -x "$directory"/*.deb "$directory/unpacked" && mkdir -p "$ASIDE"; then
            chmod 755 "$directory/unpacked"
            mv "$directory/unpacked" "$ASIDE/$package"
            say "$package unpacked under $ASIDE"
        else
            say "$package cannot be had: tests that need it will skip"
        fi
        rm -rf "$directory"
    done
}

forbid_daemons() {
    if [[ -e $POLICY || -L $POLICY ]]; then
        mv -- "$POLICY" "$POLICY.before-akashi"
    fi
    printf '#!/bin/sh\n# Akashi: temporary, no daemon is started while the test packages are installed.\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
}

allow_daemons() {
    rm -f -- "$POLICY"
    if [[ -e $POLICY.before-akashi || -L $POLICY.before-akashi ]]; then
        mv -- "$POLICY.before-akashi" "$POLICY"
    fi
}

# Services of newly installed packages must not start at the next boot.
disable_units() {
    command -v systemctl >/dev/null || return 0
    local units
    mapfile -t units < <(dpkg-query -L "$@" 2>/dev/null |
        sed -nE 's#^(/usr)?/lib/systemd/system/([^/@]+\.(service|socket|timer|target))$#\2#p' | sort -u)
    ((${#units[@]} == 0)) || systemctl --quiet disable "${units[@]}" >/dev/null 2>&1 || true
}

# Installs its arguments. One package that the archive lacks, or that would push another out, must not cost the rest.
install() {
    local -a command=(apt-get -qq install --yes --no-install-recommends --no-remove
        -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold)
    local package output
    if output=$("${command[@]}" "$@" 2>&1); then return; fi
    say "not all at once ($(tail -n 1 <<<"$output")); one by one"
    for package in "$@"; do
        output=$("${command[@]}" "$package" 2>&1) || say "$package not installed: $(tail -n 1 <<<"$output")"
    done
}

main() {
    local -a wanted=("${TEST_PACKAGES[@]}") absent
    case ${1:-test} in
        test) ;;
        later) wanted+=("${LATER_PACKAGES[@]}") ;;
        list) list; return ;;
        *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "no apt-get here: nothing installed. Tests that need one of these programs will skip: ${wanted[*]}"
        return
    fi
    unpack_aside
    mapfile -t absent < <(missing "${wanted[@]}")
    ((${#absent[@]})) || return 0
    if ((EUID != 0)); then
        say "not root: not installed, tests that need them will skip: ${absent[*]}"
        say "to have them: sudo $0 ${1:-}"
        return
    fi

    # Two runs at the same time would put each other's policy-rc.d back.
    exec 9<"$0"
    flock 9
    mapfile -t absent < <(missing "${wanted[@]}")
    ((${#absent[@]})) || return 0
    say "installing ${absent[*]}"
    # A run that was killed may have left the earlier policy aside.
    if [[ -e $POLICY.before-akashi ]]; then allow_daemons; fi
    forbid_daemons
    trap allow_daemons EXIT
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update || say "apt-get update had errors; going on with the lists there are"
    install "${absent[@]}" </dev/null
    disable_units "${absent[@]}"
    mapfile -t absent < <(missing "${absent[@]}")
    if ((${#absent[@]})); then
        say "still missing, tests that need them will skip: ${absent[*]}"
    fi
}

main "$@"
