"""A repository of one's own for the command line, and content for conformance runs."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import contributions
import pytest
from invrbench.cli import main
from invrbench.codec.conformance import CHECKS, Verdict, check_folder, check_manifest
from invrbench.codec.footage import Archive
from invrbench.codec.manifest import Manifest, Verb, read_manifest
from invrbench.codec.sandbox import LIMIT_VARIABLE, Level, strongest_level
from invrbench.codec.template import write_codec_folder
from own_repository import REPOSITORY, lay_repository


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return Archive(REPOSITORY, tmp_path_factory.mktemp("footage"))


@pytest.fixture
def judge(archive: Archive) -> Callable[..., dict[str, Verdict]]:
    """Verdicts on a codec folder by check; ``only`` names the checks to run."""

    def run(folder: Path, only: tuple[str, ...] = tuple(CHECKS)) -> dict[str, Verdict]:
        def on_cpu(manifest: Manifest, verb: Verb) -> str:
            return "cpu"

        if only == tuple(CHECKS):
            verdicts = check_folder(folder, archive, device_of=on_cpu)
        else:
            manifest = read_manifest(folder)[folder.name]
            verdicts = check_manifest(manifest, archive, device_of=on_cpu, only=only)
        return {verdict.check: verdict for verdict in verdicts}

    return run


@pytest.fixture
def level(request: pytest.FixtureRequest) -> Iterator[Level]:
    """The sandbox level named by an indirect parameter is the strongest there is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(LIMIT_VARIABLE, request.param)
        strongest_level.cache_clear()
        try:
            if strongest_level() != request.param:
                pytest.skip(f"needs a machine on which {request.param} starts")
            yield request.param
        finally:
            strongest_level.cache_clear()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository that is the current folder: sequences and smoke conditions, no codec."""
    lay_repository(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def contributed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with results, and its package; see `contributions`. Not to be changed."""
    folder = tmp_path_factory.mktemp("contributed")
    contributions.make(folder)
    with contextlib.chdir(folder):
        assert main(["pack", contributions.CODEC]) == 0
    return folder


@pytest.fixture
def bench(contributed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one's own with results, the current folder."""
    folder = tmp_path / "bench"
    shutil.copytree(contributed, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a codec as `invrbench new` writes it."""
    proposals = tmp_path / "proposals"
    write_codec_folder("mine", proposals, (proposals,))
    return proposals / "mine"
