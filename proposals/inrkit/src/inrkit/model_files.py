"""A fitted model on disk: ``tensors.npz`` and ``model.json``, readable without torch or pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TENSORS = "tensors.npz"
META = "model.json"


def save_model(
    folder: Path, tensors: Mapping[str, NDArray[Any]], meta: Mapping[str, Any] | None = None
) -> None:
    """Write ``tensors`` by name and the JSON object ``meta`` into ``folder``, made if absent."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = dict(tensors)
    np.savez(folder / TENSORS, **arrays)
    (folder / META).write_text(json.dumps(dict(meta or {}), indent=1, sort_keys=True) + "\n")


def load_model(folder: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The tensors and the meta data written by :func:`save_model`."""
    with np.load(folder / TENSORS, allow_pickle=False) as held:
        tensors = {name: held[name] for name in held.files}
    meta: dict[str, Any] = json.loads((folder / META).read_text())
    return tensors, meta
