"""Errors that an estimator raises instead of returning a doubtful number."""

from __future__ import annotations


class EstimationError(ValueError):
    """An estimate does not exist for these inputs; the message says why and for which rows."""


class ConversionError(EstimationError):
    """A reported statistic cannot be turned into an effect size with what is known."""


class RowError(EstimationError):
    """Some rows of the input are refused: `message` says why, `rows` (0-based) which."""

    _MOST_NAMED = 5

    def __init__(self, message: str, rows: list[int]) -> None:
        named = ", ".join(str(row) for row in rows[: self._MOST_NAMED])
        more = len(rows) - self._MOST_NAMED
        super().__init__(f"{message} (row {named}{f' and {more} more' if more > 0 else ''})")
        self.message, self.rows = message, rows

    def of_table(self, positions: list[int]) -> RowError:
        """The same refusal when row i of the input is row positions[i] of a table."""
        return RowError(self.message, [positions[row] for row in self.rows])
