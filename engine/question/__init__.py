"""What the user asks: a symptom and options become flows to walk."""

from __future__ import annotations

from engine.question.understand import understand

__all__ = ["understand"]
