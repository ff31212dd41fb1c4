"""Arithmetic of many symmetric 2 x 2 matrices [[a, b], [b, c]] held as three arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats


@dataclass(frozen=True)
class Symmetric:
    """Matrices [[a, b], [b, c]] of any common shape."""

    a: Floats
    b: Floats
    c: Floats

    def at(self, keep: np.ndarray) -> Symmetric:
        return Symmetric(self.a[keep], self.b[keep], self.c[keep])

    def where(self, condition: np.ndarray, other: Symmetric) -> Symmetric:
        """`other` where the condition holds."""
        return Symmetric(*(
            np.where(condition, y, x)
            for x, y in zip((self.a, self.b, self.c), (other.a, other.b, other.c), strict=True)
        ))  # fmt: skip

    def column(self) -> Symmetric:
        """With a new last axis, to meet one matrix per problem with one per trial."""
        return Symmetric(self.a[:, None], self.b[:, None], self.c[:, None])

    def quadratic(self, x: Floats, y: Floats) -> Floats:
        """(x, y) S (x, y)'."""
        return np.asarray(self.a * x * x + 2.0 * self.b * x * y + self.c * y * y)


def inverse(s: Symmetric) -> Symmetric:
    determinant = s.a * s.c - s.b * s.b
    return Symmetric(s.c / determinant, -s.b / determinant, s.a / determinant)


def product_trace(s: Symmetric, t: Symmetric) -> Floats:
    """tr(S T)."""
    return np.asarray(s.a * t.a + 2.0 * s.b * t.b + s.c * t.c)


def congruence(s: Symmetric, t: Symmetric) -> Symmetric:
    """S T S."""
    p11, p12 = s.a * t.a + s.b * t.b, s.a * t.b + s.b * t.c
    p21, p22 = s.b * t.a + s.c * t.b, s.b * t.b + s.c * t.c
    return Symmetric(p11 * s.a + p12 * s.b, p11 * s.b + p12 * s.c, p21 * s.b + p22 * s.c)


def root_inverse(s: Symmetric) -> Symmetric:
    """The symmetric S^{-1/2} of positive definite matrices.

    sqrt(S) = (S + d I) / sqrt(tr S + 2 d), d = sqrt(det S) (Cayley and Hamilton).
    """
    d = np.sqrt(np.maximum(s.a * s.c - s.b * s.b, 0.0))
    scale = np.sqrt(s.a + s.c + 2.0 * d)
    return inverse(Symmetric((s.a + d) / scale, s.b / scale, (s.c + d) / scale))
