"""The AlexNet trunk that LPIPS looks through: where it lies and whether it is the right one.

lpips brings its own linear heads but no trunk. The trunk is torchvision's AlexNet (``features.*``),
2.5 million numbers; whatever file they come from, their digest must be ``TRUNK_DIGEST``.
"""

import hashlib
import os
import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from invrbench.errors import ToolError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ENVIRONMENT_VARIABLE = "INVRBENCH_LPIPS_TRUNK"
TRUNK_DIGEST = "8259ebdc8849c887b0b95a9414db11a3694493c318c41902269dfa328697ca4e"
TRUNK_SHAPES: dict[str, tuple[int, ...]] = {
    "features.0.weight": (64, 3, 11, 11),
    "features.0.bias": (64,),
    "features.3.weight": (192, 64, 5, 5),
    "features.3.bias": (192,),
    "features.6.weight": (384, 192, 3, 3),
    "features.6.bias": (384,),
    "features.8.weight": (256, 384, 3, 3),
    "features.8.bias": (256,),
    "features.10.weight": (256, 256, 3, 3),
    "features.10.bias": (256,),
}

_DAMAGED = (OSError, KeyError, ValueError, RuntimeError, EOFError)

Trunk = dict[str, "NDArray[np.float32]"]


def cache_path() -> Path:
    """Where a fetched trunk is kept: the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "invrbench" / "alexnet-trunk.npz"


def find_trunk() -> Path | None:
    """The first trunk on this machine, None if there is none; imports neither torch nor lpips.

    Order: the file named by ``INVRBENCH_LPIPS_TRUNK``, torch hub's cache, this package's cache.

    Raises:
        ToolError: the variable names a file that is not there.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise ToolError(
                f"{ENVIRONMENT_VARIABLE}={named} is not a file; name AlexNet weights "
                "(.pth or .npz), or unset it."
            )
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    hub = Path(os.environ.get("TORCH_HOME") or Path(base) / "torch") / "hub" / "checkpoints"
    found = sorted(hub.glob("alexnet-owt-*.pth")) if hub.is_dir() else []
    return next((path for path in (*found, cache_path()) if path.is_file()), None)


def load_trunk(path: Path) -> Trunk:
    """The trunk in a ``.npz`` of this package, or a ``.pth`` of AlexNet or of its features.

    Raises:
        ToolError: unreadable, or not the weights LPIPS was calibrated on.
    """
    import numpy as np

    try:
        if path.suffix == ".npz":
            # numpy leaves a damaged file open, hence the handle of our own
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                trunk = {name: archive[name] for name in TRUNK_SHAPES}
        else:
            trunk = read_checkpoint(path)
    except (*_DAMAGED, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise ToolError(
            f"{path} holds no AlexNet weights ({type(error).__name__}); remove it and run "
            "`invrbench weights lpips`."
        ) from error
    return checked(trunk, str(path))


def read_checkpoint(path: Path) -> Trunk:
    """The trunk in a torch file of AlexNet or of its features, unchecked."""
    import numpy as np
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name: state[name].numpy().astype(np.float32) for name in TRUNK_SHAPES}


def digest_trunk(trunk: Trunk) -> str:
    """SHA-256 of names and little-endian float32 values, in the order of ``TRUNK_SHAPES``."""
    import numpy as np

    sha256 = hashlib.sha256()
    for name in TRUNK_SHAPES:
        sha256.update(name.encode())
        sha256.update(np.ascontiguousarray(trunk[name], dtype="<f4").tobytes())
    return sha256.hexdigest()


def checked(trunk: Trunk, origin: str) -> Trunk:
    """The trunk itself, if it is the one LPIPS was calibrated on.

    Args:
        trunk: all tensors of ``TRUNK_SHAPES``.
        origin: where it comes from, for the message.

    Raises:
        ToolError: a shape or the digest differs.
    """
    for name, shape in TRUNK_SHAPES.items():
        if trunk[name].shape != shape:
            raise ToolError(f"{origin}: {name} is {trunk[name].shape}, AlexNet's is {shape}.")
    digest = digest_trunk(trunk)
    if digest != TRUNK_DIGEST:
        raise ToolError(
            f"{origin}: the weights' digest is {digest[:16]}…, LPIPS's AlexNet has "
            f"{TRUNK_DIGEST[:16]}…; values would not be LPIPS. Remove it and run "
            "`invrbench weights lpips`."
        )
    return trunk
