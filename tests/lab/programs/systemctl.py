"""What the lab knows of systemd: ``systemctl restart docker`` starts dockerd anew, with the options that it had.

Usage: systemctl restart docker
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

OPTIONS = Path("/run/lab/docker/options")
"""Written by dockerup."""


def main(words: list[str]) -> int:
    """Restart the daemon; ends the program with a message for everything else."""
    if words[:1] != ["restart"] or words[1:] not in (["docker"], ["docker.service"]):
        sys.exit(f"systemctl of the lab: cannot {' '.join(words)}")
    return subprocess.run(["dockerup", *json.loads(OPTIONS.read_text())], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
