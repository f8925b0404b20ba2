"""The part of a cluster that a printed remedy needs: ``kubectl delete pod`` makes the kubelet create the pod anew.

Everything else answers as kubectl does without a cluster.
"""

from __future__ import annotations

import subprocess
import sys

VALUED = {"-n", "--namespace", "--grace-period", "--context"}
_NO_CLUSTER = "The connection to the server localhost:8080 was refused - did you specify the right host or port?"


def operands(arguments: list[str]) -> list[str]:
    """Arguments that are neither options nor their values."""
    kept, skip = [], False
    for argument in arguments:
        if skip or argument.startswith("-"):
            skip = not skip and argument in VALUED
            continue
        kept.append(argument)
    return kept


def main(arguments: list[str]) -> None:
    """Delete pods; the controller that owns them is the kubelet's static manifest here."""
    words = operands(arguments)
    if words[:1] != ["delete"] or len(words) < 2:
        sys.exit(_NO_CLUSTER)
    names = [word.partition("/")[2] for word in words[1:] if "/" in word] or words[2:]
    for name in names:
        subprocess.run(["kubelet", "delete", name], check=True)
        subprocess.run(["kubelet", "create", name], check=True)
        print(f'pod "{name}" deleted')  # noqa: T201 - as kubectl prints it


if __name__ == "__main__":
    main(sys.argv[1:])
