#!/bin/sh
# Usage: tools/venv.sh [EXTRA]...
#
# Makes or completes .venv with this checkout, its required libraries and the extras named (test, dev).  Quick if nothing changed:
# each set that was installed leaves a stamp with what it was installed from.
#
# durable-rules is a C library without wheels, so it is installed last and may fail: noroute then uses its own matcher.
set -eu

cd "$(dirname "$0")/.."
root=$(pwd)
venv=$root/.venv

die() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

recent_enough() {
    command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if recent_enough "$candidate"; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    if [ -n "${PYTHON:-}" ]; then
        die "$PYTHON is not a Python 3.11 or later; choose another: make PYTHON=python3.12"
    fi
    die "no Python 3.11 or later on PATH; install one (Debian, Ubuntu: apt install python3 python3-venv) or name it: make PYTHON=/path/to/python3"
}

# The module venv is split off on Debian; whatever else can make a virtual environment will do.
create() {
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        set -- "$python" -m venv
    elif "$python" -c 'import virtualenv' 2>/dev/null; then
        set -- "$python" -m virtualenv --quiet
    elif command -v virtualenv >/dev/null 2>&1; then
        set -- virtualenv --quiet --python "$python"
    elif command -v uv >/dev/null 2>&1; then
        set -- uv venv --quiet --seed --python "$python"
    else
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        die "$python cannot make virtual environments; install the module (Debian, Ubuntu: apt install python$version-venv) and repeat"
    fi
    printf 'creating .venv with %s\n' "$("$python" --version 2>&1)"
    rm -rf "$venv"
    "$@" "$venv"
}

# What an installation depends on; a compiler that appears later is worth another try.
fingerprint() {
    printf '%s\n' "$root" "$python"
    command -v "${CC:-cc}" || echo "no compiler"
    cat setup.cfg pyproject.toml tools/venv.sh
}

# Requirements of setup.cfg: all but durable-rules, or durable-rules alone (nothing where its marker excludes this Python).
requirements() {
    "$venv/bin/python" - "$@" <<'PY'
import configparser
import sys

wanted, *extras = sys.argv[1:]
config = configparser.ConfigParser(interpolation=None)
config.read("setup.cfg", encoding="utf-8")
texts = [config["options"]["install_requires"], *(config["options.extras_require"][extra] for extra in extras)]
lines = [line.strip() for text in texts for line in text.splitlines()]
print("\n".join(line for line in lines if line and not line.startswith("#") and line.startswith("durable-rules") == (wanted == "durable")))
PY
}

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"
}

install() {
    list=$venv/requirements.txt
    requirements others "$@" >"$list"
    pip install --quiet --upgrade-strategy only-if-needed -r "$list" || die "the libraries could not be installed; see pip's message above (no network? a proxy?)"
    if ! pip install --quiet --no-deps --editable . >"$venv/noroute.log" 2>&1; then
        cat "$venv/noroute.log" >&2
        die "noroute could not be installed; see pip's message above"
    fi
    # Where PYTHONDONTWRITEBYTECODE is set, every start would compile the sources again.
    "$venv/bin/python" -m compileall -q engine collectors || true
    requirements durable >"$list"
    if ! pip install --quiet -r "$list" >"$venv/durable-rules.log" 2>&1; then
        echo "warning: durable-rules could not be built (it needs a C compiler and Python's headers; Debian, Ubuntu: apt install build-essential python3-dev);" >&2
        echo "         noroute uses its own matcher instead: same answers, slower with thousands of rules. See .venv/durable-rules.log" >&2
    fi
}

installed() {
    [ -x "$venv/bin/python" ] || return 1
    for set in base "$@"; do
        [ "$(cat "$venv/stamp-$set" 2>/dev/null)" = "$now" ] || return 1
    done
}

python=$(find_python)
now=$(fingerprint | cksum)
if installed "$@"; then
    exit 0
fi
# Another Python, or a checkout that was moved: scripts hold absolute paths, so begin anew.
origin=$(printf '%s\n' "$root" "$python")
if ! "$venv/bin/python" -c '' 2>/dev/null || [ "$(cat "$venv/origin" 2>/dev/null)" != "$origin" ]; then
    create
    printf '%s\n' "$origin" >"$venv/origin"
fi
echo "installing noroute and its libraries into .venv"
install "$@"
for set in base "$@"; do
    printf '%s\n' "$now" >"$venv/stamp-$set"
done
