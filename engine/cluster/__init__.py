"""Kubernetes API objects as the cluster means them: who a Service's packets go to, and which policy lets them through."""

from __future__ import annotations

from engine.cluster.inventory import Cluster

__all__ = ["Cluster"]
