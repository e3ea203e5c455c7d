"""The folder that a new proposal starts from."""

from pathlib import Path

from invrbench.ctc.names import is_id
from invrbench.errors import InputError, ToolError

TEMPLATE = Path(__file__).resolve().parents[3] / "template"
PLACEHOLDER = "my-codec"


def write_codec_folder(codec: str, proposals: Path, roots: tuple[Path, ...]) -> list[Path]:
    """Write ``proposals/<codec>/``, a small working codec, and give its files.

    Raises:
        InputError: the id is unusable or taken; nothing is written.
    """
    if not is_id(codec):
        raise InputError(
            f"{codec!r} cannot be a codec's id; use letters, digits, '.', '_' and '-', starting "
            "with a letter or digit (and not 'fits')."
        )
    for root in roots:
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if folder.is_dir() and folder.name.lower() == codec.lower():
                raise InputError(
                    f"{root.name}/{folder.name}/ exists already (case does not count); "
                    "choose another id, or edit that folder."
                )
    files = sorted(path for path in TEMPLATE.glob("*") if path.is_file())
    if not files:
        raise ToolError(
            f"{TEMPLATE.name}/ is missing; run from a clone installed with `pip install -e .`."
        )
    target = proposals / codec
    target.mkdir(parents=True)
    written = []
    for path in files:
        text = path.read_text(encoding="utf-8").replace(PLACEHOLDER, codec)
        (target / path.name).write_text(text, encoding="utf-8")
        written.append(target / path.name)
    return written
