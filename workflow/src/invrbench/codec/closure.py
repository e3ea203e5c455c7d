"""The files a verb needs: the static import closure of its script."""

import functools
import shutil
from collections.abc import Iterator
from pathlib import Path

from invrbench.codec.manifest import Manifest, Verb
from invrbench.errors import ManifestError
from invrbench.syntax import bare_code, digest_files, read_code

_NOT_CODE = {"README.md", "codec.toml", "origin.json", "package.json"}
_NOT_COPIED = {"bitstreams", "models", "__pycache__"}


def imported_names(path: Path) -> tuple[str, ...]:
    """Dotted names of the modules a Python file imports; none for a file in another language.

    Raises:
        ManifestError: the file does not parse.
    """
    if path.suffix != ".py" or not path.is_file():
        return ()
    try:
        return read_code(path).imports
    except SyntaxError as error:
        raise ManifestError(f"{path.parent.name}/{path.name} does not parse: {error}.") from None


def _candidates(parts: list[str], roots: tuple[Path, ...]) -> Iterator[Path]:
    for root in roots:
        stem = root
        for part in parts:
            stem /= part
            yield stem.with_suffix(".py")
            if not stem.is_dir():
                break
            yield stem / "__init__.py"


def _resolve(name: str, path: Path, roots: tuple[Path, ...]) -> list[Path]:
    """Files below ``roots`` that importing ``name`` from ``path`` runs."""
    level = len(name) - len(name.lstrip("."))
    parts = [part for part in name.lstrip(".").split(".") if part]
    if level:
        base = path.parent
        for _ in range(level - 1):
            base = base.parent
        return [file for file in _candidates(parts, (base,)) if file.is_file()]
    return [file for file in _candidates(parts, roots) if file.is_file()]


def _follow(start: list[Path], roots: tuple[Path, ...]) -> set[Path]:
    files: set[Path] = set()
    waiting = list(start)
    while waiting:
        path = waiting.pop()
        if path in files:
            continue
        files.add(path)
        for name in imported_names(path):
            waiting += _resolve(name, path, roots)
    return files


def package_roots(manifest: Manifest) -> tuple[Path, ...]:
    """Source folders of the toolboxes the manifest names.

    Raises:
        ManifestError: no folder beside the codec folders holds the toolbox.
    """
    found = []
    repository = manifest.folder.parent.parent
    for name in manifest.packages:
        places = [manifest.folder.parent, repository / "proposals", repository / "anchors"]
        sources = [
            place / name / "src" for place in places if (place / name / "src" / name).is_dir()
        ]
        if not sources:
            raise ManifestError(
                f"{manifest.path}: packages names {name!r}, but there is no "
                f"{manifest.folder.parent.name}/{name}/src/{name} (nor under proposals/, anchors/)."
            )
        found.append(sources[0])
    return tuple(found)


def _script(manifest: Manifest, verb: Verb) -> Path | None:
    """The verb's Python script inside the folder, or None for programs in other languages."""
    for word in manifest.commands[verb]:
        if word.startswith("{codec}/") and word.endswith(".py"):
            path = manifest.folder / word.removeprefix("{codec}/")
            if not path.is_file():
                raise ManifestError(
                    f"{manifest.path}: [commands].{verb} names {path.name}, "
                    "which is not in the folder."
                )
            return path
    return None


def verb_files(manifest: Manifest, verb: Verb) -> dict[str, Path]:
    """Files a verb runs on, by path relative to ``{codec}``.

    The import closure of its script over the folder and its packages; for decode the folder's
    part is exactly ``[decoder].files``. Verbs that are no Python script get the whole folder
    less README, manifest and brought files.
    """
    script = _script(manifest, verb)
    packages = package_roots(manifest)
    if verb == "decode" and manifest.decoder_files:
        own = [manifest.folder / name for name in manifest.decoder_files]
        closure = _follow([path for path in own if path.suffix == ".py"], packages)
        files = set(own) | {path for path in closure if path not in own}
    elif script is not None:
        files = _follow([script], (manifest.folder, *packages))
    else:
        files = {
            path
            for path in manifest.folder.rglob("*")
            if path.is_file()
            and path.name not in _NOT_CODE
            and not _NOT_COPIED & set(path.relative_to(manifest.folder).parts)
        }
    named = {}
    for path in files:
        root = next(root for root in (manifest.folder, *packages) if path.is_relative_to(root))
        named[path.relative_to(root).as_posix()] = path
    return named


@functools.cache
def verb_digest(manifest: Manifest, verb: Verb) -> str:
    """Digest of a verb's code: syntax trees of its closure, and the command that runs it."""
    files = verb_files(manifest, verb).items()
    return digest_files(files) + ":" + " ".join(manifest.commands[verb])


def copy_closure(manifest: Manifest, verb: Verb, target: Path, *, is_bare: bool = False) -> None:
    """Copy the verb's files into ``target``, which becomes ``{codec}`` and its PYTHONPATH.

    ``is_bare`` leaves out comments and docstrings, which no key sees.
    """
    for name, path in verb_files(manifest, verb).items():
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if is_bare and path.suffix == ".py":
            place.write_text(bare_code(path.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            shutil.copy2(path, place)
