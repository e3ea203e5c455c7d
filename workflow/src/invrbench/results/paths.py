"""Where every artefact of a run lies, relative to the repository root."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from invrbench.errors import InputError

_SEED = re.compile(r"s\d{1,9}", re.ASCII)
RESULTS = Path("results")
SOURCES = RESULTS / ".sources"
FRAMES = RESULTS / ".frames"
JOBS = RESULTS / ".jobs"
CROSSCHECKING = RESULTS / ".crosscheck"
LOCK = RESULTS / ".lock"
RUN_PLAN = RESULTS / ".plan"
MD5_CACHE = RESULTS / ".md5"
CROSSCHECKS = "crosschecks"  # in a report's folder: what cross-checkers sent back


@dataclass(frozen=True)
class PointAddress:
    """The place of one point: its folder's path says everything that changes its bits."""

    sequence: str
    codec: str
    configuration: str
    rate_point: str
    seed: int

    @functools.cached_property
    def folder(self) -> Path:
        """``results/<sequence>/<codec>/<configuration>/<rate_point>/s<seed>``."""
        base = RESULTS / self.sequence / self.codec / self.configuration
        return base / self.rate_point / f"s{self.seed}"

    @classmethod
    def parse(cls, text: str) -> "PointAddress":
        """The address written as its folder, with or without ``results/`` and ``/s<seed>``.

        Raises:
            InputError: the text has not these parts.
        """
        parts = Path(text).parts
        if "results" in parts:
            parts = parts[parts.index("results") + 1 :]
        if len(parts) == 4:
            parts = (*parts, "s0")
        if len(parts) != 5 or not _SEED.fullmatch(parts[4]):
            raise InputError(
                f"{text!r} names no point; write <sequence>/<codec>/<configuration>/<rate point>"
                "[/s<seed>], e.g. results/bunny-mini@0+32/hevc/ld/qp27/s0."
            )
        return cls(parts[0], parts[1], parts[2], parts[3], int(parts[4][1:]))


@dataclass(frozen=True)
class FitAddress:
    """The place of one fit."""

    sequence: str
    codec: str
    configuration: str
    fit: str
    budget: str
    seed: int

    @functools.cached_property
    def folder(self) -> Path:
        """``results/<sequence>/<codec>/<configuration>/fits/<fit>.<budget>/s<seed>``."""
        base = RESULTS / self.sequence / self.codec / self.configuration / "fits"
        return base / f"{self.fit}.{self.budget}" / f"s{self.seed}"

    @classmethod
    def parse(cls, text: str) -> "FitAddress":
        """The address written as its folder, with or without ``results/`` and ``/s<seed>``.

        Raises:
            InputError: the text has not these parts.
        """
        parts = Path(text).parts
        if "results" in parts:
            parts = parts[parts.index("results") + 1 :]
        if len(parts) == 5:
            parts = (*parts, "s0")
        named = len(parts) == 6 and parts[3] == "fits" and "." in parts[4]
        if not named or not _SEED.fullmatch(parts[5]):
            raise InputError(
                f"{text!r} names no fit; write <sequence>/<codec>/<configuration>/fits/"
                "<fit>.<budget>[/s<seed>]."
            )
        fit, budget = parts[4].rsplit(".", 1)
        return cls(parts[0], parts[1], parts[2], fit, budget, int(parts[5][1:]))


def source_record(sequence: str) -> Path:
    """Record of a sequence made ready for codecs."""
    return SOURCES / f"{sequence}.json"


def source_folder(sequence: str) -> Path:
    """The folder of a scene's raw files, a file per view."""
    return SOURCES / sequence


def source_raw(sequence: str) -> Path:
    """The raw file that codecs see, unless the user's own file is used in place."""
    return SOURCES / f"{sequence}.raw"
