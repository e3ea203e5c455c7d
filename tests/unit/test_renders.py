"""The family render: which point is held against which other, and what changes its key."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from invrbench.errors import ConditionsError
from invrbench.results import frames, measuring
from invrbench.results.plan import Plan
from invrbench.results.planning import load_plan
from invrbench.results.records import read_usable_record, write_record
from invrbench.video.format import RawVideo

REPOSITORY = Path(__file__).resolve().parents[2]
SCENE = "ballcourt.v03v08@0+1"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with conditions of its own."""
    for name in ("anchors", "proposals", "tests"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / "ctc").mkdir()
    (tmp_path / "ctc" / "sequences").symlink_to(REPOSITORY / "ctc" / "sequences")
    return tmp_path


def plan(root: Path, qps: list[int | str], **selected: str) -> Plan:
    conditions = {
        "schema": 1,
        "name": "own",
        "title": "own",
        "budget": "seconds",
        "families": ["picture", "render"],
        "uncompressed": "*_qpnone",
        "headline": {"anchor": "hevc", "metrics": ["psnr_y_db"]},
        "anchors": ["hevc"],
        "grids": {"instant-ngp": {"fit": ["s"], "qp": qps}, "hevc": {"qp": [32]}},
        "tests": [
            {"sequences": [SCENE], "configurations": ["ai"], "codecs": ["hevc", "instant-ngp"]}
        ],
    }
    (root / "ctc" / "own.yaml").write_text(yaml.safe_dump(conditions), encoding="utf-8")
    return load_plan(root, "own", **selected)


def test_coded_points_are_held_against_the_uncompressed_one_of_their_fit(root: Path) -> None:
    found = {p.address.rate_point: p for p in plan(root, ["none", -38]).points}
    coded, whole = found["s.seconds_qp-38"], found["s.seconds_qpnone"]
    assert coded.uncompressed is not None
    assert coded.uncompressed.address == whole.address
    assert whole.keep_decoded
    assert not coded.keep_decoded


def test_codecs_without_a_model_are_not_held_against_any(root: Path) -> None:
    (hevc,) = [p for p in plan(root, ["none", -38]).points if p.address.codec == "hevc"]
    assert list(hevc.family_keys) == ["picture"]


def test_another_decode_of_the_uncompressed_point_is_another_key(root: Path) -> None:
    def key(points: Plan) -> str:
        (found,) = [p for p in points.points if p.address.rate_point == "s.seconds_qp-38"]
        return found.family_keys["render"]

    first = plan(root, ["none", -38])
    assert key(first) == key(plan(root, ["none", -38, -28]))
    assert first.point_by_folder  # the plan is whole
    own = {p.address.rate_point: p.family_keys["render"] for p in first.runnable if p.uncompressed}
    assert len(set(own.values())) == len(own)


def test_conditions_without_an_uncompressed_point_are_refused(root: Path) -> None:
    with pytest.raises(ConditionsError, match=r"no planned point is called '\*_qpnone'.*add it"):
        plan(root, [-38, -28])


def test_a_selection_without_the_uncompressed_point_leaves_the_family_out(root: Path) -> None:
    (point,) = plan(root, ["none", -38], only="instant-ngp/*/*_qp-38").points
    assert list(point.family_keys) == ["picture"]


def test_frames_that_are_gone_are_decoded_again_and_kept_if_pictures_need_them(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = next(p for p in plan(root, ["none", -38]).points if p.address.codec == "hevc")
    (view,) = point.formats
    samples = bytes(range(256)) * (point.formats[view].file_bytes // 256)

    def decode_again(*_: object) -> dict[str, RawVideo]:
        path = tmp_path / "decoded.raw"
        path.write_bytes(samples)
        return {view: RawVideo(path, point.formats[view])}

    monkeypatch.setattr(measuring, "_decode_again", decode_again)
    for keeps in (False, True):
        space = tmp_path / f"space-{keeps}"
        space.mkdir()
        found = measuring.pictures_of(root, point, space, tmp_path / "log", {}, keeps=keeps)
        assert found[view].path.read_bytes() == samples
        frames.drop(root, point.address, point.formats)
        later = tmp_path / f"later-{keeps}"
        later.mkdir()
        held = frames.get(root, point.address, point.formats, later)
        assert (held is not None) == keeps
    assert held is not None
    assert held[view].path.read_bytes() == samples


@pytest.mark.parametrize(
    ("measured", "waits"),
    [
        ({"reasons": {"lpips": "no weights of AlexNet are here"}}, True),
        ({"reasons": {}}, False),
        ({"views": {"v03": {"reasons": {}}, "v05": {"reasons": {"lpips": "no weights"}}}}, True),
        ({"views": {"v03": {"reasons": {}}}}, False),
    ],
)
def test_records_of_videos_and_of_scenes_say_whether_lpips_waits_for_weights(
    tmp_path: Path, measured: dict[str, Any], waits: bool
) -> None:
    path = tmp_path / "perceptual.json"
    write_record(path, {"kind": "measure", "key": "k", **measured})
    assert measuring.lacks_weights(read_usable_record(path)) == waits
