"""The job file of a verb, and how a verb reports that it cannot go on."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class AnchorError(Exception):
    """An anchor cannot code or decode this job; the message says what to change."""


@dataclass(frozen=True)
class EncodeJob:
    """What ``encode`` is asked for: a raw video, a configuration and a quantiser.

    ``fps`` is written as in the job ("25", "30000/1001"); ``qp`` counts in the encoder's own units.
    """

    path: Path
    pixel_format: str
    width: int
    height: int
    fps: str
    frames: int
    configuration: str
    qp: int

    @property
    def intra_period(self) -> int:
        """Pictures from one intra picture to the next in `ra`: about one second.

        32 up to 32 frames/s, 64 up to 64, 128 up to 128 (50 frames/s: 64). Source: JVET's random
        access conditions of the VTM, whose hierarchies need a power of two.
        """
        numerator, _, denominator = self.fps.partition("/")
        period = 32
        while period * int(denominator or 1) < int(numerator):
            period *= 2
        return period


def read_encode_jobs(job: dict[str, Any]) -> dict[str, EncodeJob]:
    """What a parsed job file asks to be coded: a scene's views by id, or a video under "".

    Raises:
        AnchorError: a key is absent.
    """
    try:
        source = job["source"]
        if "views" not in job:
            return {"": _encode_job(job, source["path"], source["frames"])}
        views = job["views"]
        return {v["id"]: _encode_job(job, v["path"], len(v["times"])) for v in views}
    except KeyError as missing:
        raise AnchorError(f"job.json has no {missing}; it is not an encode job.") from None


def _encode_job(job: dict[str, Any], path: str, frames: int) -> EncodeJob:
    source = job["source"]
    return EncodeJob(
        path=Path(path),
        pixel_format=source["pixel_format"],
        width=source["width"],
        height=source["height"],
        fps=str(source["fps"]),
        frames=frames,
        configuration=job["configuration"],
        qp=job["rate_point"]["parameters"]["qp"],
    )


def pick_structure(
    configuration: str, **structures: dict[str, str | float]
) -> dict[str, str | float]:
    """The encoder parameters of a configuration, among those given by its name.

    Raises:
        AnchorError: the codec has none for it.
    """
    if configuration not in structures:
        raise AnchorError(
            f"configuration {configuration!r} is not coded; expected {', '.join(structures)}."
        )
    return structures[configuration]


def run_verb(verb: Callable[[dict[str, Any]], None]) -> None:
    """Call ``verb`` with the job file named on the command line; errors end in one line."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {Path(sys.argv[0]).name} job.json")
    try:
        verb(json.loads(Path(sys.argv[1]).read_text()))
    except AnchorError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")
