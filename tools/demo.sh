#!/bin/sh
# Diagnoses an example.  diagnose ends with status 1 when it found a cause, which is what the demonstration is for.
set -eu

cd "$(dirname "$0")/.."
bundle=${1:-examples/pod-cannot-reach-db}
set -- --symptom "pod cannot reach db" --bundle "$bundle"
printf '$ diagnose --symptom "%s" --bundle %s\n\n' "$2" "$bundle"
status=0
.venv/bin/diagnose "$@" || status=$?
if [ "$status" -ne 1 ]; then
    printf 'error: diagnose ended with status %d, not with 1 (cause found)\n' "$status" >&2
    exit 1
fi
