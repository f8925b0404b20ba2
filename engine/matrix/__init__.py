"""Who reaches whom: all pairs of a cluster, by classes of equal behaviour."""

from engine.matrix.answers import Matrix, Options, matrix

__all__ = ["Matrix", "Options", "matrix"]
