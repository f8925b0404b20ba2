"""What kube-proxy does when it starts: it writes all Services of /etc/kubernetes/proxy, which the lab made from the API's objects.

Usage: kubeproxy sync.  Without the modules of IPVS it says in mode ipvs what kube-proxy says, and ends.  The files are kube-proxy's own input, to the
letter: ``iptables`` for iptables-restore --noflush (``iptables.local`` while the Services with node ports have the external traffic policy Local),
``nftables`` for nft -f, ``ipvs`` for ipvsadm --restore, with its sets and rules.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path("/etc/kubernetes/proxy")
PATCHES = Path("/run/lab/services")
"""What kubectl patched, a JSON object a line."""
JUMPS = (
    ("nat", "PREROUTING", '-m comment --comment "kubernetes service portals" -j KUBE-SERVICES'),
    ("nat", "OUTPUT", '-m comment --comment "kubernetes service portals" -j KUBE-SERVICES'),
    ("nat", "POSTROUTING", '-m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING'),
    ("filter", "INPUT", '-m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL'),
    ("filter", "INPUT", '-m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES'),
    ("filter", "FORWARD", '-m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD'),
    ("filter", "FORWARD", '-m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES'),
    ("filter", "OUTPUT", '-m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES'),
)


def policy() -> str:
    """External traffic policy of the Services with node ports: what was patched last."""
    patched = [json.loads(line)["spec"] for line in PATCHES.read_text().splitlines()] if PATCHES.exists() else []
    return str(next((spec["externalTrafficPolicy"] for spec in reversed(patched) if "externalTrafficPolicy" in spec), "Cluster"))


def jump(tables: tuple[str, ...]) -> None:
    """Lead packets to kube-proxy's chains, if they are not led there yet."""
    for table, chain, words in JUMPS:
        if table not in tables:
            continue
        has = subprocess.run(f"iptables -w -t {table} -C {chain} {words}", shell=True, capture_output=True, check=False)  # noqa: S602 - fixed words
        if has.returncode:
            subprocess.run(f"iptables -w -t {table} -I {chain} {words}", shell=True, check=True)  # noqa: S602 - fixed words


def sync() -> None:
    """Write every Service; what is there already is written over."""
    rules = FOLDER / ("iptables.local" if policy() == "Local" else "iptables")
    if rules.exists():
        subprocess.run(["iptables-restore", "--noflush"], input=rules.read_bytes(), check=True)
        jump(("nat", "filter"))
    native = FOLDER / "nftables"
    if native.exists():
        subprocess.run(["nft", "delete", "table", "ip", "kube-proxy"], capture_output=True, check=False)
        subprocess.run(["nft", "-f", str(native)], check=True)
    if (FOLDER / "ipvs").exists():
        balance()


def balance() -> None:
    """Mode ipvs: the addresses on a dummy device, the services, and what marks their packets."""
    # The kernel loads the schedulers by itself.
    if not Path("/sys/module/ip_vs").exists():
        why = "IPVS proxier will not be used because the following required kernel modules are not loaded: [ip_vs]"
        sys.exit(f"Can't use the IPVS proxier: {why}")
    services = (FOLDER / "ipvs").read_text()
    addresses = {line.split()[2].rpartition(":")[0] for line in services.splitlines() if line.startswith("-A")}
    subprocess.run(["ip", "link", "add", "kube-ipvs0", "type", "dummy"], capture_output=True, check=False)
    for address in sorted(addresses):
        subprocess.run(["ip", "addr", "replace", f"{address}/32", "dev", "kube-ipvs0"], check=True)
    subprocess.run(["sysctl", "-qw", "net.ipv4.vs.conntrack=1"], check=True)
    subprocess.run(["ipset", "restore", "-exist"], input=(FOLDER / "ipset").read_bytes(), check=True)
    subprocess.run(["iptables-restore", "--noflush"], input=(FOLDER / "ipvs.rules").read_bytes(), check=True)
    jump(("nat",))
    subprocess.run(["ipvsadm", "-C"], check=True)
    subprocess.run(["ipvsadm", "--restore"], input=services.encode(), check=True)


if __name__ == "__main__":
    if sys.argv[1:] != ["sync"]:
        sys.exit("usage: kubeproxy sync")
    sync()
