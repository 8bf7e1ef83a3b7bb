#!/usr/bin/env bash
# Installs Akashi on a Debian-like system: a virtualenv of its own, a link to the command, the service, a first configuration.
#
#   make install                        as root, into /opt/akashi and /usr/local
#   make install DESTDIR=/tmp/image     the same tree below /tmp/image, for an image or a package; needs no root
#   make uninstall                      what was installed goes; /etc/akashi and /var/lib/akashi stay
#
# PREFIX  where the virtualenv is (/opt/akashi)
# PYTHON  the interpreter it is made from, at the path it will have on the target (python3)
# WHEELS  a directory of wheels to install from instead of the package index (for machines without network)
# AKASHI_ACCELERATE=1  with the compiled core (docs/PERFORMANCE.md); needs a C compiler and Python's headers
#
# It starts nothing: it says how. An /etc/akashi/akashi.toml that is there is left as it is.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."

PREFIX=${PREFIX:-/opt/akashi}
DESTDIR=${DESTDIR:-}
PYTHON=${PYTHON:-python3}
WHEELS=${WHEELS:-}
readonly ROOM=$DESTDIR$PREFIX
readonly STAGE=$ROOM.new
readonly LOCAL=$DESTDIR/usr/local
readonly MADE=(
    "$LOCAL/bin/akashi"
    "$LOCAL/lib/systemd/system/akashi.service"
    "$LOCAL/lib/sysusers.d/akashi.conf"
    "$LOCAL/lib/tmpfiles.d/akashi.conf"
    "$LOCAL/share/bash-completion/completions/akashi"
    "$LOCAL/share/zsh/site-functions/_akashi"
    "$LOCAL/share/fish/vendor_completions.d/akashi.fish"
)

say() { printf 'install: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# Whether this system itself is the target, and runs systemd.
is_live() { [[ -z $DESTDIR && $EUID -eq 0 && -d /run/systemd/system ]]; }

check() {
    [[ $PREFIX == /* ]] || fail "PREFIX must be an absolute path, not $PREFIX"
    [[ -z $DESTDIR || $DESTDIR == /* ]] || fail "DESTDIR must be an absolute path, not $DESTDIR"
    [[ -n $DESTDIR || $EUID -eq 0 ]] || fail "be root, or give a DESTDIR"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or later is needed: PYTHON=…"
    "$PYTHON" -c 'import ensurepip, venv' || fail "no virtualenv can be made; on Debian: apt-get install python3-venv"
}

# The virtualenv, made beside its place: a daemon that runs keeps its files, and what fails half-way changes nothing. Every
# mention of where it was made becomes one of where it will be.
program() {
    local -a from=()
    if [[ -n $WHEELS ]]; then from=(--no-index --find-links "$WHEELS"); fi
    local source
    source=$(mktemp -d)
    # shellcheck disable=SC2064  # the path of now is meant
    trap "rm -rf '$source'" EXIT
    # A build leaves files beside the sources: they are built from a copy.
    cp -R pyproject.toml README.md LICENSE wire trust resolver lab "$source"
    local extra
    for extra in setup.py MANIFEST.in; do if [[ -f $extra ]]; then cp "$extra" "$source"; fi; done
    "$PYTHON" -m venv --clear "$STAGE"
    local -a pip=("$STAGE/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check --root-user-action=ignore)
    "${pip[@]}" "${from[@]}" -c constraints.txt setuptools
    PYTHONWARNINGS=ignore AKASHI_ACCELERATE='' "${pip[@]}" "${from[@]}" -c constraints.txt --no-build-isolation "$source"
    if [[ ${AKASHI_ACCELERATE:-} == 1 ]]; then
        # The compiler checks types, so it wants the requirements, which are there by now.
        "${pip[@]}" "${from[@]}" -c constraints.txt mypy
        PYTHONWARNINGS=ignore "${pip[@]}" --no-deps --force-reinstall --no-build-isolation "$source"
        "$STAGE/bin/python" -m pip uninstall --quiet --yes mypy
    fi
    grep -rlIF --exclude-dir=site-packages "$STAGE" "$STAGE" | xargs -r sed -i "s|$STAGE|$PREFIX|g"
    find "$STAGE" -name __pycache__ -type d -prune -exec rm -rf {} +
    # The daemon's user may not write there: what is not compiled now would be compiled at each start.
    "$STAGE/bin/python" -m compileall -q -s "$STAGE" -p "$PREFIX" "$STAGE/lib"
}

# The new one takes the place of the old one.
swap() {
    rm -rf -- "$ROOM.old"
    if [[ -e $ROOM ]]; then mv -- "$ROOM" "$ROOM.old"; fi
    mv -- "$STAGE" "$ROOM"
    rm -rf -- "$ROOM.old"
}

files() {
    local share=$ROOM/share/akashi
    mkdir -p "$share"
    cp -R docs "$share/"
    cp -R conf "$share/"
    install -d "$LOCAL/bin" "$DESTDIR/etc/akashi"
    ln -sfn "$PREFIX/bin/akashi" "${MADE[0]}"
    install -D -m 0644 conf/systemd/akashi.service "${MADE[1]}"
    sed -i "s|/opt/akashi|$PREFIX|g" "${MADE[1]}"
    install -D -m 0644 conf/systemd/akashi.sysusers "${MADE[2]}"
    install -D -m 0644 conf/systemd/akashi.tmpfiles "${MADE[3]}"
    local index shells=(bash zsh fish)
    for index in 0 1 2; do
        mkdir -p "$(dirname "${MADE[4 + index]}")"
        (cd / && "$ROOM/bin/python" -m resolver completion "${shells[index]}") >"${MADE[4 + index]}"
        chmod 0644 "${MADE[4 + index]}"
    done
    if [[ -e $DESTDIR/etc/akashi/akashi.toml ]]; then
        say "/etc/akashi/akashi.toml is kept; the present defaults are in $PREFIX/share/akashi/conf/akashi.toml"
    else
        install -m 0644 conf/akashi.toml "$DESTDIR/etc/akashi/akashi.toml"
    fi
}

activate() {
    if [[ -n $DESTDIR ]]; then return; fi
    if command -v systemd-sysusers >/dev/null; then
        systemd-sysusers "${MADE[2]}"
        systemd-tmpfiles --create "${MADE[3]}"
    elif ! getent passwd akashi >/dev/null; then
        useradd --system --home-dir /var/lib/akashi --shell /usr/sbin/nologin akashi
        install -d -o akashi -g akashi -m 0750 /var/lib/akashi
    fi
    if is_live; then systemctl daemon-reload; fi
}

uninstall() {
    [[ -n $DESTDIR || $EUID -eq 0 ]] || fail "be root, or give a DESTDIR"
    [[ -f $ROOM/pyvenv.cfg ]] || fail "$ROOM is no virtualenv: nothing is installed there"
    if is_live; then systemctl disable --now akashi.service || true; fi
    rm -f -- "${MADE[@]}"
    rm -rf -- "$ROOM"
    if is_live; then systemctl daemon-reload; fi
    say "gone; /etc/akashi and /var/lib/akashi are kept"
}

case ${1:-install} in
    install)
        check
        program
        swap
        files
        activate
        say "done: $(printf '%s ' "$PREFIX" "${MADE[0]#"$DESTDIR"}" "${MADE[1]#"$DESTDIR"}" /etc/akashi/akashi.toml)"
        say "next: edit /etc/akashi/akashi.toml ([server] listen, [access] allow), then: systemctl enable --now akashi"
        ;;
    uninstall) uninstall ;;
    *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
