"""A handful of kills; ``CHAOS_KILLS`` asks for more, ``CHAOS_SEED`` for the same ones again."""

import os
import random
import sys
from pathlib import Path

import kills

DEFAULT_KILLS = 6


def test_a_run_killed_again_and_again_ends_in_the_tables_of_an_undisturbed_one(
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    sys.stdout.write(f"CHAOS_SEED={seed}\n")
    siege = kills.Siege(tmp_path / "siege", conditions=kills.SHORT, seed=seed)
    siege.run_undisturbed()
    assert {row["status"] for row in siege.calm["points.tsv"]} == {"ok"}
    wanted = int(os.environ.get("CHAOS_KILLS", DEFAULT_KILLS))
    tally = siege.endure(wanted)
    sys.stdout.write("\n".join(tally.lines()))
    assert tally.kills.total() == wanted
    assert tally.faults == [] and tally.begun_again == [] and tally.retrained == 0
