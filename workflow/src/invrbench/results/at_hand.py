"""Sequences that somebody else's claims name: on this machine, or why they are not."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from invrbench.ctc.sequences import SequenceRef, load_paths, load_sequences, resolve
from invrbench.errors import InvrError, SourceMissing
from invrbench.results.places import without_places
from invrbench.results.plan import CONDITIONS
from invrbench.results.sources import Prepared, Source, load_source, prepare_source


@dataclass(frozen=True)
class AtHand:
    """A sequence ready to be measured against, or the reason why it is not."""

    source: Source | None = None
    prepared: Prepared | None = None
    why_not: str = ""


class SequencesAtHand:
    """The sequences of a repository, made ready as they are asked for.

    Args:
        root: the repository.
        claimed: md5 of the prepared files by sequence, as claimed.
    """

    def __init__(self, root: Path, claimed: Mapping[str, str]) -> None:
        self._root = root
        self._claimed = claimed
        self._entries = load_sequences(root / CONDITIONS / "sequences")
        self._here = load_paths(root)
        self._found: dict[str, AtHand] = {}

    def find(self, sequence: str, md5: str) -> AtHand:
        """A sequence with its cut, if its prepared files are those of the md5."""
        if sequence not in self._found:
            self._found[sequence] = self._find(sequence)
        found = self._found[sequence]
        here = found.prepared.md5 if found.prepared else ""
        if found.why_not or here == md5:
            return found
        return AtHand(why_not=f"another source: md5 {md5} claimed, {here} here")

    def _find(self, sequence: str) -> AtHand:
        try:
            ref = SequenceRef.parse(sequence, self._entries)
            source = resolve(ref, self._entries, self._here)
            missing = source.availability()
            if missing:
                return AtHand(why_not=without_places(missing, self._root))
            return AtHand(source, self._prepared(source, sequence))
        except InvrError as error:
            return AtHand(why_not=without_places(str(error), self._root))

    def _prepared(self, source: Source, sequence: str) -> Prepared:
        """The prepared files; those of another md5 than the claimed one are made anew first."""
        try:
            held = load_source(self._root, sequence)
            if held.md5 == self._claimed.get(sequence):
                return held
        except SourceMissing:
            pass
        prepare_source(self._root, source, sequence)
        return load_source(self._root, sequence)
