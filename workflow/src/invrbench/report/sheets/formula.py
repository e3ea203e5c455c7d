"""Worksheet formulas made together with their values, so that the two cannot differ.

A `Term` is the text of a formula and the number that Python computed for it. Terms are joined by
operators and by `call`, which knows the only functions a workbook may hold: those of
`FUNCTIONS`, which Excel 2016, LibreOffice and Google Sheets all have under the same name.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from invrbench.errors import CompareError

# No array formula, no macro, no add-in, nothing volatile, nothing newer than Excel 2007.
FUNCTIONS = frozenset(
    {
        "ABS", "AND", "AVERAGE", "AVERAGEIFS", "COUNT", "IF", "IFERROR", "INDEX", "LOG10",
        "MATCH", "MAX", "MIN", "OR", "SIGN", "SMALL", "SUMPRODUCT", "SUMSQ",
    }
)  # fmt: skip
_ATOM, _POWER, _TIMES, _PLUS, _COMPARE = 9, 4, 3, 2, 1
_DIGITS = 13  # significant ones of a cached value: the last differ between processors

Value = float | str | bool


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a formula: its text, what it evaluates to, and how strongly it binds."""

    text: str
    value: Any
    rank: int = _ATOM

    def _join(self, sign: str, other: "Term | float", rank: int, value: Value) -> "Term":
        right = other if isinstance(other, Term) else constant(other)
        left = self.text if self.rank >= rank else f"({self.text})"
        tail = right.text if right.rank > rank else f"({right.text})"
        return Term(f"{left}{sign}{tail}", value, rank)

    def __add__(self, other: "Term | float") -> "Term":
        return self._join("+", other, _PLUS, self.value + _value(other))

    def __sub__(self, other: "Term | float") -> "Term":
        return self._join("-", other, _PLUS, self.value - _value(other))

    def __mul__(self, other: "Term | float") -> "Term":
        return self._join("*", other, _TIMES, self.value * _value(other))

    def __rmul__(self, other: float) -> "Term":
        return constant(other) * self

    def __truediv__(self, other: "Term | float") -> "Term":
        return self._join("/", other, _TIMES, self.value / _value(other))

    def at_most(self, other: "Term | float") -> "Term":
        """Whether this is the smaller one, or equal."""
        return self._join("<=", other, _COMPARE, self.value <= _value(other))

    def at_least(self, other: "Term | float") -> "Term":
        """Whether this is the larger one, or equal."""
        return self._join(">=", other, _COMPARE, self.value >= _value(other))

    def above(self, other: "Term | float") -> "Term":
        """Whether this is larger."""
        return self._join(">", other, _COMPARE, self.value > _value(other))

    def below(self, other: "Term | float") -> "Term":
        """Whether this is smaller."""
        return self._join("<", other, _COMPARE, self.value < _value(other))

    def differs(self, other: "Term | float") -> "Term":
        """Whether the two are not equal."""
        return self._join("<>", other, _COMPARE, self.value != _value(other))

    @property
    def cached(self) -> float | str:
        """What the cell shows until somebody recalculates it."""
        if isinstance(self.value, str):
            return self.value
        return float(f"{float(self.value):.{_DIGITS}g}") + 0.0


def _value(operand: "Term | float") -> Any:
    return operand.value if isinstance(operand, Term) else operand


def constant(value: float) -> Term:
    """A number that is no cell.

    >>> (constant(2) * (constant(3) + 4)).text
    '2*(3+4)'
    """
    text = repr(int(value)) if float(value).is_integer() else repr(value)
    return Term(text, value, _ATOM if value >= 0 else _PLUS)


def quoted(text: str) -> Term:
    """A text that is no cell."""
    doubled = text.replace('"', '""')
    return Term(f'"{doubled}"', text)


def call(name: str, *arguments: "Term | Range", value: Value) -> Term:
    """A function of the list, and what it evaluates to.

    Raises:
        CompareError: for a function that is not in ``FUNCTIONS``.
    """
    if name not in FUNCTIONS:
        raise CompareError(f"worksheet function {name} is not one that every reader has.")
    return Term(f"{name}({','.join(each.text for each in arguments)})", value)


def when(condition: Term, then: Term, otherwise: Term) -> Term:
    """IF; readers evaluate only the branch that is taken."""
    value = then.value if condition.value else otherwise.value
    return call("IF", condition, then, otherwise, value=value)


def largest(*terms: Term) -> Term:
    """MAX of single cells."""
    return call("MAX", *terms, value=max(term.value for term in terms))


def smallest(*terms: Term) -> Term:
    """MIN of single cells."""
    return call("MIN", *terms, value=min(term.value for term in terms))


def absolute(term: Term) -> Term:
    """ABS."""
    return call("ABS", term, value=abs(term.value))


def sign(term: Term) -> Term:
    """SIGN."""
    return call("SIGN", term, value=math.copysign(1, term.value) if term.value else 0)


def log10(term: Term) -> Term:
    """LOG10."""
    return call("LOG10", term, value=math.log10(term.value))


def ten_to(term: Term) -> Term:
    """10 to the power of a term."""
    return constant(10)._join("^", term, _POWER, 10.0**term.value)


def both(*conditions: Term) -> Term:
    """AND."""
    return call("AND", *conditions, value=all(each.value for each in conditions))


def either(*conditions: Term) -> Term:
    """OR."""
    return call("OR", *conditions, value=any(each.value for each in conditions))


@dataclass(frozen=True, slots=True)
class Range:
    """Cells below each other, with their values: rows ``first`` … of a column, counted from 0.

    ``sheet`` is empty for a range of the sheet the formula stands on.
    """

    first: int
    column: int
    values: tuple[Any, ...]
    sheet: str = ""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def text(self) -> str:
        """The range as a formula names it."""
        last = self.first + len(self.values) - 1
        bottom = _name(last, self.column, self.sheet).rpartition("!")[2]
        return f"{_name(self.first, self.column, self.sheet)}:{bottom}"

    def __getitem__(self, index: int) -> Term:
        """One of its cells; negative indices count from the last."""
        index = index % len(self.values)
        return cell(self.first + index, self.column, self.values[index], self.sheet)

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """First row and column, last row and column, from 0."""
        return self.first, self.column, self.first + len(self.values) - 1, self.column

    def part(self, start: int, stop: int) -> "Range":
        """Its cells start … stop − 1."""
        stop = stop % (len(self.values) + 1)
        return Range(self.first + start, self.column, self.values[start:stop], self.sheet)

    def pick(self, number: Term) -> Term:
        """INDEX: the cell of a number that is itself computed, from 1."""
        return Term(f"INDEX({self.text},{number.text})", self.values[int(number.value) - 1])

    def seen_from_elsewhere(self, sheet: str) -> "Range":
        """The same cells, of a sheet of this name, in a formula of another sheet."""
        return Range(self.first, self.column, self.values, sheet)

    def find(self, wanted: Term, *, sorted_up: bool) -> Term:
        """MATCH: the number from 1 of an equal cell or, sorted, of the last not above it."""
        if sorted_up:
            number = sum(value <= wanted.value for value in self.values)
        else:
            number = self.values.index(wanted.value) + 1
        return call("MATCH", wanted, self, constant(1 if sorted_up else 0), value=number)

    def smallest(self, number: int) -> Term:
        """SMALL: its smallest, second smallest … value, from 1."""
        return call("SMALL", self, constant(number), value=sorted(self.values)[number - 1])

    def minimum(self) -> Term:
        """MIN."""
        return call("MIN", self, value=min(self.values))

    def maximum(self) -> Term:
        """MAX."""
        return call("MAX", self, value=max(self.values))

    def mean(self) -> Term:
        """AVERAGE."""
        return call("AVERAGE", self, value=math.fsum(self.values) / len(self.values))

    def squares(self) -> Term:
        """SUMSQ."""
        return call("SUMSQ", self, value=math.fsum(value * value for value in self.values))

    def times(self, *others: "Range") -> Term:
        """SUMPRODUCT with further ranges of the same length."""
        ranges = (self, *others)
        total = math.fsum(
            math.prod(values) for values in zip(*(each.values for each in ranges), strict=True)
        )
        return call("SUMPRODUCT", *ranges, value=total)

    def count_where(self, comparison: str, other: "Range") -> Term:
        """How many cells compare so with the cell beside them: ``<=`` or ``=``."""
        pairs = zip(self.values, other.values, strict=True)
        count = sum(a == b or (comparison == "<=" and a < b) for a, b in pairs)
        met = Term(f"({self.text}{comparison}{other.text})*1", count)
        return call("SUMPRODUCT", met, value=count)


def cell(row: int, column: int, value: Any, sheet: str = "") -> Term:
    """A cell, rows and columns counted from 0; of another sheet its name is absolute."""
    return Term(_name(row, column, sheet), value)


def mean_where(
    numbers: Range, conditions: Sequence[tuple[Range, Term]], *, value: float, otherwise: Term
) -> Term:
    """The mean of the cells beside which conditions hold, and what stands there if none is left.

    Args:
        numbers: cells beside each other's; texts among them are left out.
        conditions: cells as many, and what COUNTIF takes as a criterion (:func:`at_least`,
            :func:`equal_to`).
        value: the mean.
        otherwise: when nothing is left to average.
    """
    parts = [part for pair in conditions for part in pair]
    mean = call("AVERAGEIFS", numbers, *parts, value=value)
    return call("IFERROR", mean, otherwise, value=value)


def at_least(limit: float) -> Term:
    """A criterion that also holds where numbers are written with a comma."""
    return Term(f'">="&{constant(limit).text}', f">={limit}")


def equal_to(text: str) -> Term:
    """A criterion of cells that hold exactly this text.

    >>> equal_to("a*").text
    '"=a~*"'
    """
    escaped = "".join(f"~{letter}" if letter in "*?~" else letter for letter in text)
    return quoted(f"={escaped}")


@lru_cache(maxsize=1 << 15)
def _name(row: int, column: int, sheet: str) -> str:
    """A cell as a formula names it."""
    if not sheet:
        return f"{_letters(column)}{row + 1}"
    doubled = sheet.replace("'", "''")
    return f"'{doubled}'!${_letters(column)}${row + 1}"


@cache
def _letters(column: int) -> str:
    """Letters of a column counted from 0.

    >>> _letters(0), _letters(25), _letters(26), _letters(702)
    ('A', 'Z', 'AA', 'AAA')
    """
    text, rest = "", column + 1
    while rest:
        rest, digit = divmod(rest - 1, 26)
        text = chr(65 + digit) + text
    return text


@dataclass(frozen=True)
class Pen:
    """Writes terms onto a sheet in one look and gives back the cells they stand in."""

    sheet: Any
    look: Any

    def at(self, row: int, column: int, term: Term) -> Term:
        """Write one formula."""
        self.sheet.write_formula(row, column, f"={term.text}", self.look, term.cached)
        return cell(row, column, term.value)

    def down(self, row: int, column: int, terms: Sequence[Term]) -> Range:
        """Write formulas below each other."""
        for offset, term in enumerate(terms):
            self.at(row + offset, column, term)
        return Range(row, column, tuple(term.value for term in terms))

    def running(
        self, row: int, column: int, count: int, step: Callable[[int, Term | None], Term]
    ) -> Range:
        """Write formulas below each other, each from the cell above it (None: the first)."""
        above: Term | None = None
        values = []
        for offset in range(count):
            above = self.at(row + offset, column, step(offset, above))
            values.append(above.value)
        return Range(row, column, tuple(values))
