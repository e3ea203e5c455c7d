"""Labelled reports: a folder that was finished under a label is never overwritten by another."""

from invrbench.digest import digest_value, write_json
from invrbench.errors import ConditionsError
from invrbench.outside import parse_json
from invrbench.results.plan import Plan
from invrbench.results.records import now

SEAL = "label.json"


def _content(plan: Plan) -> str:
    """Digest of what decides the numbers of a report: the conditions and every record's key."""
    keys = sorted((path.as_posix(), key) for path, key in plan.expected_records.items())
    absent = sorted((p.address.folder.as_posix(), p.skipped, p.missing) for p in plan.points)
    return digest_value([plan.conditions.digest(), keys, absent])


def refuse_other_report(plan: Plan) -> None:
    """Refuse a label whose finished report has other numbers than this plan's would.

    Raises:
        ConditionsError: says what lies there and what to do.
    """
    if not plan.label or plan.is_filtered:
        return
    folder = plan.report_folder
    try:
        seal = parse_json((plan.root / folder / SEAL).read_bytes())
    except FileNotFoundError:
        return
    except ValueError as error:
        raise ConditionsError(
            f"--config label={plan.label}: {folder}/{SEAL} is damaged ({error}), so nobody knows "
            "what was finished there. Choose another label, or delete that folder."
        ) from None
    if not isinstance(seal, dict) or seal.get("content") != _content(plan):
        seal = seal if isinstance(seal, dict) else {}
        raise ConditionsError(
            f"--config label={plan.label}: {folder} holds a finished report of "
            f"{seal.get('finished', 'an earlier day')} with other conditions, codecs or sequences; "
            "it may have been sent. Choose another label, or delete that folder."
        )


def seal_label(plan: Plan) -> None:
    """Mark a labelled report as finished; a filtered run has no label."""
    path = plan.root / plan.report_folder / SEAL
    if plan.label and not plan.is_filtered and not path.is_file():
        write_json(path, {"schema": 1, "finished": now(), "content": _content(plan)})
