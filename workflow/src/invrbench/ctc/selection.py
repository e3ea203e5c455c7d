"""Which of the planned points a person asks for: ``only=codec/sequence/point``."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from invrbench.ctc.names import suggest
from invrbench.errors import ConditionsError

Point = tuple[str, str, str]
_PARTS = ("codec", "sequence", "point")


@dataclass(frozen=True)
class Selection:
    """Shell patterns on whole names of codecs, sequences (with their cut) and rate points."""

    codecs: tuple[str, ...] = ("*",)
    sequences: tuple[str, ...] = ("*",)
    points: tuple[str, ...] = ("*",)

    @classmethod
    def parse(cls, text: object) -> "Selection":
        """The selection written as ``codec,codec/sequence/point,point``; missing parts mean all.

        >>> chosen = Selection.parse("my-codec,hevc/Cactus@0+32/q1,q2")
        >>> chosen.matches("hevc", "Cactus@0+32", "q1")
        True
        >>> chosen.matches("hevc", "Cactus@0+32", "q3")
        False

        Raises:
            ConditionsError: not a text (Snakemake reads ``only=123`` as a number), or not of
                this form.
        """
        if not isinstance(text, str):
            raise ConditionsError(
                f"only={text} was read as {type(text).__name__}, not as a text; "
                f"write only='{text}/*'."
            )
        parts = text.split("/")
        if len(parts) > len(_PARTS) or not text.strip():
            raise ConditionsError(
                f"only={text!r}: expected codec/sequence/point, each a comma list of names or "
                "shell patterns, e.g. only='my-codec,hevc/Cactus@0+32/q1,q2'."
            )
        lists = []
        for part in parts:
            patterns = tuple(each.strip() for each in part.split(",")) if part.strip() else ("*",)
            if not all(patterns):
                raise ConditionsError(f"only={text!r}: a name between two commas is empty.")
            lists.append(patterns)
        return cls(*lists)

    def __str__(self) -> str:
        return "/".join(",".join(part) for part in (self.codecs, self.sequences, self.points))

    def matches(self, codec: str, sequence: str, point: str) -> bool:
        """Whether a point is asked for."""
        return (
            _any(self.codecs, codec) and _any(self.sequences, sequence) and _any(self.points, point)
        )

    def check(
        self, codecs: Collection[str], sequences: Collection[str], points: Collection[str]
    ) -> None:
        """Refuse a pattern that matches no known name.

        Raises:
            ConditionsError: names the pattern and the nearest names.
        """
        for part, patterns, known in zip(
            _PARTS,
            (self.codecs, self.sequences, self.points),
            (codecs, sequences, points),
            strict=True,
        ):
            for pattern in patterns:
                if not any(fnmatchcase(name, pattern) for name in known):
                    raise ConditionsError(
                        f"only={self}: no {part} is called {pattern!r}; {suggest(pattern, known)}."
                    )

    def choose(self, planned: Iterable[Point]) -> list[Point]:
        """The planned (codec, sequence, point) that match, in their order.

        Raises:
            ConditionsError: a pattern, or the whole selection, matches nothing.
        """
        known = list(planned)
        self.check(*({point[part] for point in known} for part in range(3)))
        chosen = [point for point in known if self.matches(*point)]
        if not chosen:
            raise ConditionsError(
                f"only={self}: each name exists, but no planned point has all of them; "
                "see `invrbench plan`."
            )
        return chosen


def _any(patterns: tuple[str, ...], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
