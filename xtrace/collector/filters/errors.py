"""What is wrong with a filter expression, and where."""

from __future__ import annotations


class FilterError(ValueError):
    """A filter expression can't be used.

    message: what is wrong and what would be right, in words. position: of the character where it
    goes wrong, from 0; the length of the text if something is missing at its end.
    line, column: the same place, from 1.
    """

    def __init__(self, message: str, position: int = 0, line: int = 1, column: int = 1) -> None:
        super().__init__(message, position, line, column)
        self.message = message
        self.position = position
        self.line = line
        self.column = column

    @classmethod
    def at(cls, position: int, text: str, message: str) -> FilterError:
        """The error at a position of a text."""
        before = text[:position]
        return cls(message, position, before.count("\n") + 1, position - before.rfind("\n"))

    def __str__(self) -> str:
        return f"{self.message} (line {self.line}, column {self.column})"
