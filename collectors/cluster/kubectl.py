"""Asking a cluster through the operator's own kubectl: whatever kubeconfig, context and auth plug-ins it has.

Only ``get``, ``api-resources`` and ``exec`` into collector pods are ever run.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collectors.live.run import Output, find, run
from engine.errors import EvidenceError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Kubectl:
    """A kubectl that reaches one cluster."""

    base: tuple[str, ...]
    """Program and global options."""
    timeout: float
    """Seconds that one question may take."""
    max_bytes: int
    """Octets that one answer may have."""

    def ask(self, *words: str, timeout: float = 0) -> Output:
        """Run ``kubectl WORDS``."""
        return run([*self.base, *words], timeout=timeout or self.timeout, max_bytes=self.max_bytes)

    def get(self, resource: str, *words: str) -> Output:
        """Objects as a JSON list."""
        return self.ask(f"--request-timeout={self.timeout:g}s", "get", resource, *words, "-o", "json")

    def resources(self) -> frozenset[str]:
        """Plurals (with their group) that can be listed; raises :class:`EvidenceError` if the cluster does not answer."""
        output = self.ask(f"--request-timeout={self.timeout:g}s", "api-resources", "--verbs=list", "-o", "name")
        # One broken aggregated API makes kubectl fail although it lists all others.
        if not output.data.strip():
            message = f"kubectl cannot list what the cluster has: {output.error or 'no answer'}"
            raise EvidenceError(message, "kubectl get nodes must work first (KUBECONFIG, --kubeconfig, --context)")
        return frozenset(output.data.decode("utf-8", "replace").split())


@contextmanager
def kubectl(kubeconfig: str, context: str, timeout: float, max_bytes: int) -> Iterator[Kubectl]:
    """A kubectl whose caches go to a temporary folder; raises :class:`EvidenceError` if there is none on this machine."""
    path = find("kubectl")
    if path is None:
        message = "kubectl is not installed here"
        raise EvidenceError(message, "run this where kubectl works, or collect each node: diagnose collect --script > collect.sh")
    cache = tempfile.mkdtemp(prefix="noroute-")
    try:
        options = [f"--cache-dir={cache}", *([f"--kubeconfig={kubeconfig}"] if kubeconfig else []), *([f"--context={context}"] if context else [])]
        yield Kubectl((path, *options), timeout, max_bytes)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
