"""The decision engine: facts, data plane model, walk, inference, remedies, reports and the command line."""

__version__ = "0.1.0"
