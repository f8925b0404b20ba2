"""What the lab knows of systemd.

Usage: systemctl restart docker (dockerd anew, with the options that it had) | systemctl restart flanneld | systemctl restart kubelet |
systemctl start|stop redis-server (with /etc/redis/redis.conf) | systemctl restart dnsmasq (with /etc/dnsmasq.conf)
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

OPTIONS = Path("/run/lab/docker/options")
"""Written by dockerup."""
REDIS = Path("/run/redis.pid")
DNSMASQ = Path("/run/dnsmasq.pid")
DELETED = Path("/run/lab/node-deleted")
"""Written by ``kubectl delete node``."""
REGISTER = Path("/etc/lab/register.sh")
SECONDS = 10.0


def docker() -> int:
    """Restart the daemon."""
    return subprocess.run(["dockerup", *json.loads(OPTIONS.read_text())], check=False).returncode


def wait(done: object) -> int:
    """Poll a condition; 1 if it does not come true."""
    assert callable(done)
    limit = time.monotonic() + SECONDS
    while not done():
        if time.monotonic() > limit:
            return 1
        time.sleep(0.02)
    return 0


def start_redis() -> int:
    """Start the server; it writes its process id once it listens."""
    subprocess.run(["redis-server", "/etc/redis/redis.conf", "--daemonize", "yes", "--pidfile", str(REDIS), "--dir", "/run"], check=True)
    return wait(REDIS.exists)


def stop_redis() -> int:
    """Stop the server."""
    pid = REDIS.read_text().strip()
    subprocess.run(["kill", pid], check=True)
    return wait(lambda: not REDIS.exists() and not Path(f"/proc/{pid}").exists())


def dnsmasq() -> int:
    """Restart the server; it goes to the background once it listens."""
    if DNSMASQ.exists():
        pid = DNSMASQ.read_text().strip()
        subprocess.run(["kill", pid], check=False)
        if wait(lambda: not Path(f"/proc/{pid}").exists()):
            return 1
    return subprocess.run(["dnsmasq", "--user=root", f"--pid-file={DNSMASQ}"], check=False).returncode


def flannel() -> int:
    """The agent announces its node anew."""
    return subprocess.run(["flanneld", "restart"], check=False).returncode


def kubelet() -> int:
    """A node whose object was deleted registers anew; what the cluster then does to it stands in the lab file's script."""
    if not DELETED.exists():
        return 0
    DELETED.unlink()
    return subprocess.run(["sh", "-e", str(REGISTER)], check=False).returncode


JOBS = {
    ("restart", "flanneld"): flannel, ("restart", "kubelet"): kubelet,
    ("restart", "docker"): docker, ("restart", "docker.service"): docker,
    ("restart", "dnsmasq"): dnsmasq,
    ("start", "redis-server"): start_redis, ("stop", "redis-server"): stop_redis,
}


def main(words: list[str]) -> int:
    """Do what is asked; ends the program with a message for everything else."""
    job = JOBS.get((words[0], words[1])) if len(words) == 2 else None
    if job is None:
        sys.exit(f"systemctl of the lab: cannot {' '.join(words)}")
    return job()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
