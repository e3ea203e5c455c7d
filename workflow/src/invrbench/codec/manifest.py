"""codec.toml: who a codec is, what it serves, and how its verbs are called."""

import itertools
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from invrbench.errors import ManifestError
from invrbench.outside import is_file, parse_json, shortened
from invrbench.schema import check_structure

Verb = Literal["fit", "encode", "decode"]
VERBS: tuple[Verb, ...] = ("fit", "encode", "decode")
BUDGETS = ("seconds", "quick", "minute", "paper")
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
RESERVED = ("fits",)
MOST_POINTS = 10_000  # of one grid

ANYONE = "*"  # [fits."*"] is common to all fits


@dataclass(frozen=True)
class Resources:
    """What one verb may take."""

    threads: int = 1
    gpu: int = 0
    mem_mb: int = 8192
    runtime_min: float = 60.0


@dataclass(frozen=True)
class RatePoint:
    """One operating point: its id, the fit it uses (if any) and encode's parameters."""

    id: str
    fit: str | None
    parameters: Mapping[str, Any]


@dataclass(frozen=True, eq=False)  # compared and hashed by identity: digests are cached by it
class Manifest:
    """A codec folder's manifest, one variant of it; field meanings are in codec.schema.json."""

    id: str
    folder: Path
    name: str
    summary: str
    role: str
    tracks: tuple[str, ...]
    configurations: tuple[str, ...]
    pixel_formats: tuple[str, ...]
    min_frames: int = 1
    max_frames: int | None = None
    min_size: int = 1
    renders: Literal["any", "coded-views"] = "any"
    skip: Mapping[str, str] = field(default_factory=dict)
    paper: str = ""
    document: str = ""
    contact: str = ""
    licence: str = ""
    joins: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=lambda: {"kind": "host"})
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    decoder_files: tuple[str, ...] = ()
    learned_bytes: int = 0
    fits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    grids: tuple[Mapping[str, tuple[Any, ...]], ...] = ()
    brought_points: tuple[str, ...] = ()
    stated_times: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    curves: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, Resources] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)
    variant: str = ""

    @property
    def path(self) -> str:
        """The manifest's path as messages name it."""
        return f"{self.folder.parent.name}/{self.folder.name}/codec.toml"

    @property
    def codec(self) -> str:
        """Id with its variant: ``id+variant``."""
        return f"{self.id}+{self.variant}" if self.variant else self.id

    @property
    def tools(self) -> tuple[str, ...]:
        """Host programs the verbs call."""
        return tuple(self.environment.get("tools", ()))

    def resources_of(self, verb: Verb) -> Resources:
        """Resources of a verb, defaults where the manifest is silent."""
        return self.resources.get(verb, Resources())

    def brings(self, what: Literal["bitstreams", "models"]) -> bool:
        """Whether the folder brings ready bitstreams or models."""
        return (self.folder / what).is_dir()

    def unsupported(
        self, *, track: str, configuration: str, pixel_format: str, frames: int, min_side: int
    ) -> str | None:
        """Why the codec does not serve this, or None if it does."""
        for value in (configuration, pixel_format):
            if value in self.skip:
                return self.skip[value]
        if track not in self.tracks:
            return f"codes {', '.join(self.tracks)} only"
        if "any" not in self.configurations and configuration not in self.configurations:
            return f"has no configuration {configuration}"
        if pixel_format not in self.pixel_formats:
            return f"does not take {pixel_format}"
        if frames < self.min_frames:
            return f"needs at least {self.min_frames} frames"
        if self.max_frames is not None and frames > self.max_frames:
            return f"takes at most {self.max_frames} frame" + "s" * (self.max_frames > 1)
        if min_side < self.min_size:
            return f"needs at least {self.min_size} samples in width and height"
        return None

    def fit_parameters(
        self, fit: str, *, budget: str, sequence: str, names: tuple[str, ...]
    ) -> dict[str, Any]:
        """Parameters of one fit, resolved: common, own, then ``for`` each name, budgets last.

        Args:
            fit: a name under [fits].
            budget: one of ``BUDGETS``.
            sequence: the sequence, for messages.
            names: class, sequence and sequence with cut, from general to particular.

        Raises:
            ManifestError: the fit or its budget is not in the manifest.
        """
        if fit not in self.fits or fit == ANYONE:
            known = ", ".join(sorted(set(self.fits) - {ANYONE})) or "none"
            raise ManifestError(
                f"{self.path}: a rate point names the fit {fit!r}, which [fits] lacks; "
                f"known fits are {known}."
            )
        tables = [self.fits.get(ANYONE, {}), self.fits[fit]]
        for name in names:
            tables += [table["for"][name] for table in tables[:2] if name in table.get("for", {})]
        plain: dict[str, Any] = {}
        budgeted: dict[str, Any] = {}
        found = False
        for table in tables:
            plain |= {k: v for k, v in table.items() if k not in ("budgets", "for")}
            if budget in table.get("budgets", {}):
                budgeted |= table["budgets"][budget]
                found = True
        if not found:
            raise ManifestError(
                f"{self.path}: [fits.{fit}.budgets.{budget}] is missing, which {sequence} asks "
                f'for; add it, or [fits."*".budgets.{budget}].'
            )
        return plain | budgeted

    def rate_points(
        self, budget: str, grids: tuple[Mapping[str, Any], ...] | None = None
    ) -> tuple[RatePoint, ...]:
        """The rate points of the manifest's grid, or of ``grids`` instead.

        A folder without a grid has one rate point per name of a brought bitstream.

        Raises:
            ManifestError: two grid entries give one id, or an id has forbidden characters.
        """
        points = {name: RatePoint(name, None, {}) for name in self.brought_points}
        asked = grids if grids is not None else self.grids
        count = sum(math.prod(map(len, grid.values())) for grid in asked)
        if count > MOST_POINTS:
            raise ManifestError(
                f"{self.path}: [rate_points] gives {count} points; at most {MOST_POINTS} are taken."
            )
        for grid in asked:
            for point in _expand(grid, budget):
                if not IDENTIFIER.fullmatch(point.id):
                    raise ManifestError(
                        f"{self.path}: [rate_points] gives the id {point.id!r}; ids are letters, "
                        "digits, '.', '_' and '-', starting with a letter or digit."
                    )
                if point.id in points and points[point.id] != point:
                    raise ManifestError(f"{self.path}: two rate points are called {point.id!r}.")
                points[point.id] = point
        return tuple(points.values())


def _expand(grid: Mapping[str, Any], budget: str) -> Iterator[RatePoint]:
    keys = [key for key in grid if key != "fit"]
    for fit in grid.get("fit", [None]):
        for values in itertools.product(*(grid[key] for key in keys)):
            parts = [f"{fit}.{budget}"] if fit is not None else []
            parts += [f"{key}{value}" for key, value in zip(keys, values, strict=True)]
            yield RatePoint("_".join(parts), fit, dict(zip(keys, values, strict=True)))


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``over`` laid on it, tables merged key by key."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return result


def _check_identifier(text: str, *, where: str) -> None:
    if not IDENTIFIER.fullmatch(text) or text.lower() in RESERVED:
        raise ManifestError(
            f"{where}: {text!r} cannot be an id; use letters, digits, '.', '_' and '-', starting "
            f"with a letter or digit, and none of {', '.join(RESERVED)}."
        )


def _check_commands(raw: Mapping[str, Any], folder: Path, where: str) -> None:
    commands = raw.get("commands", {})
    if raw["role"] == "published":
        if commands:
            raise ManifestError(f"{where}: a published curve has no [commands]; remove them.")
        if not (folder / "points.tsv").is_file():
            raise ManifestError(f"{where}: a published curve needs a points.tsv beside it.")
        return
    if "decode" not in commands:
        raise ManifestError(f"{where}: [commands].decode is missing; every codec decodes.")
    if "encode" not in commands and not (folder / "bitstreams").is_dir():
        raise ManifestError(
            f"{where}: [commands].encode is missing and there is no bitstreams/ folder; "
            "give one of them."
        )
    if raw.get("fits") and "fit" not in commands and not (folder / "models").is_dir():
        raise ManifestError(
            f"{where}: [fits] are declared, but neither [commands].fit nor a models/ folder."
        )
    for verb, argv in commands.items():
        for word in argv:
            if word.startswith("{codec}/"):
                _check_inside(word.removeprefix("{codec}/"), f"{where}: [commands].{verb}")
    for name in raw.get("decoder", {}).get("files", []):
        _check_inside(name, f"{where}: [decoder].files")
        if not is_file(folder / name):
            raise ManifestError(
                f"{where}: [decoder].files names {shortened(name)}, which is not in the folder."
            )


def _check_inside(name: str, where: str) -> None:
    """Refuse a path that leaves the folder, which may be a stranger's."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ManifestError(f"{where} names {shortened(name)}, which leads out of the folder.")


def _check_environment(environment: Mapping[str, Any], folder: Path, where: str) -> None:
    kind = environment["kind"]
    needs = {"venv": "file", "conda": "file", "container": "image"}.get(kind)
    if needs and needs not in environment:
        raise ManifestError(f"{where}: [environment] of kind {kind!r} needs the key {needs!r}.")
    if needs == "file":
        _check_inside(environment["file"], f"{where}: [environment].file")
    if needs == "file" and not is_file(folder / environment["file"]):
        raise ManifestError(
            f"{where}: [environment].file is {shortened(environment['file'])}, "
            "which is not in the folder."
        )


def _stated_times(folder: Path, where: str) -> Mapping[str, Mapping[str, Any]]:
    """By brought bitstream: what its maker says that making it took, from ``origin.json``.

    Raises:
        ManifestError: the file cannot be used; names key and what is allowed.
    """
    path = folder / "origin.json"
    if not path.is_file():
        return {}
    here = where.replace("codec.toml", path.name)
    try:
        value = parse_json(path.read_bytes())
    except ValueError as error:
        raise ManifestError(f"{here} is not JSON ({error}); correct or remove it.") from None
    check_structure(value, "origin", where=here, error=ManifestError)
    points: Mapping[str, Mapping[str, Any]] = value["points"]
    return points


def _build(raw: Mapping[str, Any], folder: Path, variant: str) -> Manifest:
    where = f"{folder.parent.name}/{folder.name}/codec.toml"
    check_structure(raw, "codec", where=where, error=ManifestError)
    _check_commands(raw, folder, where)
    environment = raw.get("environment", {"kind": "host"})
    _check_environment(environment, folder, where)
    grids = raw.get("rate_points", [])
    if isinstance(grids, Mapping):
        grids = [grids]
    brought = () if grids else tuple(sorted({p.stem for p in folder.glob("bitstreams/*/*/*.bin")}))
    if not grids and not brought and raw["role"] != "published":
        raise ManifestError(f"{where}: [rate_points] is missing; a codec needs at least one.")
    for fit in raw.get("fits", {}):
        if fit != ANYONE:
            _check_identifier(fit, where=f"{where} [fits]")
    supports = raw["supports"]
    decoder = raw.get("decoder", {"files": []})
    return Manifest(
        id=folder.name,
        folder=folder,
        variant=variant,
        tracks=tuple(supports["tracks"]),
        configurations=tuple(supports["configurations"]),
        pixel_formats=tuple(supports["pixel_formats"]),
        min_frames=supports.get("min_frames", 1),
        max_frames=supports.get("max_frames"),
        min_size=supports.get("min_size", 1),
        renders=supports.get("renders", "any"),
        skip=supports.get("skip", {}),
        joins=tuple(raw.get("joins", ())),
        packages=tuple(raw.get("packages", ())),
        environment=environment,
        commands={verb: tuple(argv) for verb, argv in raw.get("commands", {}).items()},
        decoder_files=tuple(decoder["files"]),
        learned_bytes=decoder.get("learned_bytes", 0),
        grids=tuple({k: tuple(v) for k, v in grid.items()} for grid in grids),
        brought_points=brought,
        stated_times=_stated_times(folder, where),
        resources={verb: Resources(**r) for verb, r in raw.get("resources", {}).items()},
        **{key: raw[key] for key in ("name", "summary", "role")},
        **{key: raw.get(key, "") for key in ("paper", "document", "contact", "licence")},
        **{key: raw.get(key, {}) for key in ("fits", "parameters", "curves", "claims")},
    )


def read_manifest(folder: Path) -> dict[str, Manifest]:
    """The manifest of a codec folder, by codec id: the folder's own and one per variant.

    Raises:
        ManifestError: file and key, what was expected, what to do.
    """
    path = folder / "codec.toml"
    where = f"{folder.parent.name}/{folder.name}/codec.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ManifestError(f"{where} does not exist; `invrbench new` writes one.") from None
    except OSError as error:
        raise ManifestError(f"{where} cannot be read: {error.strerror}.") from None
    except RecursionError:
        raise ManifestError(f"{where} is not TOML: it is nested without end.") from None
    except ValueError as error:
        raise ManifestError(f"{where} is not TOML: {error}.") from None
    _check_identifier(folder.name, where=where)
    base = {key: value for key, value in raw.items() if key != "variants"}
    check_structure(raw, "codec", where=where, error=ManifestError)
    manifests = {folder.name: _build(base, folder, "")}
    for variant, over in raw.get("variants", {}).items():
        _check_identifier(variant, where=f"{where} [variants]")
        merged = _merge(base, over)
        if "name" not in over:
            merged["name"] = f"{base['name']} + {variant}"
        manifest = _build(merged, folder, variant)
        manifests[manifest.codec] = manifest
    return manifests


def find_codecs(roots: tuple[Path, ...]) -> dict[str, Manifest]:
    """Every codec of the given roots by id; a folder is a codec if it holds a codec.toml.

    Raises:
        ManifestError: a manifest is unusable, or two folders differ only by case.
    """
    found: dict[str, Manifest] = {}
    seen: dict[str, Path] = {}
    for root in roots:
        for path in sorted(root.glob("*/codec.toml")):
            folder = path.parent
            other = seen.setdefault(folder.name.lower(), folder)
            if other != folder:
                raise ManifestError(
                    f"{folder.parent.name}/{folder.name} and {other.parent.name}/{other.name} "
                    "have one id (case does not count); rename one."
                )
            found |= read_manifest(folder)
    return found


def resolved_table(manifest: Manifest) -> dict[str, Any]:
    """The keys of a manifest's codec.toml as they hold for its variant."""
    raw = tomllib.loads((manifest.folder / "codec.toml").read_text(encoding="utf-8"))
    base = {key: value for key, value in raw.items() if key != "variants"}
    if not manifest.variant:
        return base
    return {**_merge(base, raw["variants"][manifest.variant]), "name": manifest.name}
