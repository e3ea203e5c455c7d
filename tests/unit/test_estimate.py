"""What a plan says of the time it takes."""

import re
from pathlib import Path

from invrbench.results.estimate import describe
from invrbench.results.planning import load_plan

REPOSITORY = Path(__file__).resolve().parents[2]


def test_fits_of_a_papers_length_are_counted_and_not_guessed() -> None:
    text = describe(load_plan(REPOSITORY, "ee1-intra-qat"))
    assert "not counted: 5 fits of budget paper, hours to days each" in text


def test_longer_budgets_take_longer() -> None:
    minutes = {}
    for name in ("zoo-seconds", "zoo"):
        text = describe(load_plan(REPOSITORY, name))
        found = re.search(r"about ([\d.]+) min on this machine", text)
        assert found is not None
        minutes[name] = float(found[1])
        assert "not counted" not in text
    # ten fits of one or two threads, 85 seconds longer each
    assert minutes["zoo"] > minutes["zoo-seconds"] + 5
