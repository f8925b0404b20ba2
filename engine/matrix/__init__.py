"""Who reaches whom: all pairs of a cluster, by classes of equal behaviour."""

from engine.matrix.answers import Matrix, Options, matrix
from engine.matrix.objects import ByObjects

__all__ = ["ByObjects", "Matrix", "Options", "matrix"]
