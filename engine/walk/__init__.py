"""The walk: one flow through the modelled data plane, request and reply, with the line that decided each step."""

from engine.walk.journey import walk

__all__ = ["walk"]
