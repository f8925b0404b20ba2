"""What a node's Service proxy (kube-proxy in each of its modes, or what stands in its place) has programmed, beside what the API asks for."""

from engine.proxy.programmed import Entry, Key, Proxy, read

__all__ = ["Entry", "Key", "Proxy", "read"]
