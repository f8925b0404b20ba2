"""The model of the data plane: network stacks built from facts, and how they are joined."""

from engine.model.network import Network, build

__all__ = ["Network", "build"]
