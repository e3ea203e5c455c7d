"""A repository of one's own for the command line, and a clip for conformance runs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from invrbench.codec.clips import load_clip
from invrbench.codec.conformance import CHECKS, Verdict, check_folder, check_manifest
from invrbench.codec.manifest import read_manifest
from invrbench.video.format import RawVideo
from own_repository import REPOSITORY, lay_repository


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> RawVideo:
    return load_clip(REPOSITORY, tmp_path_factory.mktemp("clip"))


@pytest.fixture
def judge(clip: RawVideo) -> Callable[..., dict[str, Verdict]]:
    """Verdicts on a codec folder by check; ``only`` names the checks to run."""

    def run(folder: Path, only: tuple[str, ...] = tuple(CHECKS)) -> dict[str, Verdict]:
        given = {"root": REPOSITORY, "device_of": lambda manifest, verb: "cpu"}
        if only == tuple(CHECKS):
            verdicts = check_folder(folder, clip, **given)
        else:
            manifest = read_manifest(folder)[folder.name]
            verdicts = check_manifest(manifest, clip, only=only, **given)
        return {verdict.check: verdict for verdict in verdicts}

    return run


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository that is the current folder: sequences and smoke conditions, no codec."""
    lay_repository(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
