"""Reading a packed contribution, which a stranger made: nothing in it is believed.

The archive is looked through before anything is written; what is not exactly one folder of plain
files is refused. Whether its claims are true is another question, which a cross-check answers.
"""

import hashlib
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from invrbench.codec.manifest import IDENTIFIER
from invrbench.digest import md5_file
from invrbench.errors import RecordError
from invrbench.outside import parse_json, shortened
from invrbench.results.points import COSTS, METRICS, RATES
from invrbench.schema import check_structure

SCHEMA = 1
KIND = "package"
ENCODER = "encoder"  # the folder with fit and encode, if they go along
NAME = "package.json"
MAX_MEMBERS = 200_000
MAX_MEMBER_BYTES = 4 << 30
MAX_BYTES = 64 << 30
MAX_JSON_BYTES = 1 << 28
# Deflate packs zeros a thousandfold; code, tables and bitstreams do not reach this.
MAX_RATIO = 200
_RATIO_FROM_BYTES = 1 << 20
_CHUNK = 1 << 20
MOST_NAME_BYTES, MOST_PART_BYTES = 1024, 255  # of a path, and of what lies between two slashes
MAX_NUMBER = 1e15
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
Row = dict[str, Any]
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)
_NUMBERS = frozenset((*METRICS, *RATES, *COSTS))
# what no XML document can hold: control characters, halves of pairs, and two that are no signs
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Package:
    """A packed contribution: its archive, the name of the folder inside, and package.json."""

    path: Path
    md5: str
    folder: str
    value: Mapping[str, Any]
    members: frozenset[str]

    @property
    def codec(self) -> str:
        """The codec as its claims name it: ``id`` or ``id+variant``."""
        return str(self.value["codec"])

    @property
    def conditions(self) -> str:
        """Name of the test conditions."""
        return str(self.value["conditions"]["name"])

    @property
    def conditions_digest(self) -> str:
        """Digest of the resolved test conditions."""
        return str(self.value["conditions"]["digest"])

    @property
    def document(self) -> str:
        """Number of the document it belongs to, or nothing."""
        return str(self.value.get("document") or "")

    @property
    def proponent(self) -> str:
        """Who packed it, or nothing."""
        return str(self.value.get("proponent") or "")

    @property
    def label(self) -> str:
        """Label of the report it belongs to, or nothing."""
        return str(self.value.get("label") or "")

    @property
    def points(self) -> list[Row]:
        """Claimed rows of points.tsv, each with the ``file`` of its bitstream."""
        return [dict(row) for row in self.value["points"]]

    @property
    def left_out(self) -> list[Row]:
        """Rows of points that were expected and not done."""
        return [dict(row) for row in self.value["left_out"]]

    @property
    def anchors(self) -> list[Row]:
        """Rows of the anchors' points that its BD-rates used."""
        return [dict(row) for row in self.value["anchors"]]

    @property
    def bd(self) -> list[Row]:
        """Claimed rows of bd.tsv."""
        return [dict(row) for row in self.value["bd"]]

    @property
    def has_encoder(self) -> bool:
        """Whether fit and encode can be repeated."""
        return f"{ENCODER}/codec.toml" in self.members and bool(self.value.get("encoder"))

    def read(self, member: str) -> bytes:
        """Content of a file of the folder.

        Raises:
            RecordError: it is not there, or damaged.
        """
        if member not in self.members:
            raise RecordError(f"{self.path.name} lacks {member}.")
        with zipfile.ZipFile(self.path) as archive:
            return _content(archive, f"{self.folder}/{member}", self.path.name)

    def md5_of(self, member: str) -> str:
        """MD5 of a file of the folder, or an empty text if it is not there."""
        if member not in self.members:
            return ""
        md5 = hashlib.md5(usedforsecurity=False)
        with zipfile.ZipFile(self.path) as archive:
            try:
                with archive.open(f"{self.folder}/{member}") as file:
                    while chunk := file.read(_CHUNK):
                        md5.update(chunk)
            except _BROKEN as error:
                raise _damaged(self.path.name, member, error) from None
        return md5.hexdigest()


def read_package(path: Path) -> Package:
    """A packed contribution, looked through and not yet unpacked.

    Raises:
        RecordError: it is no such archive, was made by a newer version, or holds what no package
            holds: another folder, a link, a path outside, one name twice, a bomb.
    """
    if not path.is_file():
        raise RecordError(f"{path.name} does not exist; name an archive made by `invrbench pack`.")
    try:
        with zipfile.ZipFile(path) as archive:
            members, folder = _look_through(archive, path.name)
            value = _value(_content(archive, f"{folder}/{NAME}", path.name), path.name)
    except (zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise RecordError(
            f"{path.name} is no zip archive ({error}); expected one made by `invrbench pack`."
        ) from None
    except (NotImplementedError, RuntimeError) as error:
        raise RecordError(f"{path.name} cannot be unpacked: {error}.") from None
    if value["folder"] != folder:
        raise RecordError(
            f"{path.name}: package.json is of the folder {value['folder']!r}, but lies in "
            f"{folder!r}; ask for the archive as it was packed."
        )
    return Package(path, md5_file(path), folder, value, members)


def unpack(package: Package, target: Path) -> tuple[Path, frozenset[str]]:
    """Write the package's folder below ``target``, which is made.

    Returns:
        That folder, and the names of files that are damaged and were left out.
    """
    damaged = set()
    with zipfile.ZipFile(package.path) as archive:
        for member in sorted(package.members):
            place = target / package.folder / member
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                with (
                    archive.open(f"{package.folder}/{member}") as file,
                    place.open("wb") as written,
                ):
                    while chunk := file.read(_CHUNK):
                        written.write(chunk)
                if archive.getinfo(f"{package.folder}/{member}").external_attr >> 16 & 0o100:
                    place.chmod(0o755)
            except _BROKEN:
                place.unlink(missing_ok=True)
                damaged.add(member)
    return target / package.folder, frozenset(damaged)


def _damaged(archive: str, member: str, error: Exception) -> RecordError:
    return RecordError(
        f"{archive}: {member} is damaged ({error}); the archive changed on its way, ask for it "
        "again and compare its md5."
    )


def _content(archive: zipfile.ZipFile, name: str, where: str) -> bytes:
    try:
        return archive.read(name)
    except _BROKEN as error:
        raise _damaged(where, name.partition("/")[2], error) from None


# ---- the archive


def _look_through(archive: zipfile.ZipFile, where: str) -> tuple[frozenset[str], str]:
    """Names of the files inside its one folder, and that folder's name."""
    entries = [entry for entry in archive.infolist() if not _is_folder(entry)]
    if len(entries) > MAX_MEMBERS:
        raise RecordError(f"{where} holds {len(entries)} files; at most {MAX_MEMBERS} are taken.")
    for entry in archive.infolist():
        _refuse_kind(entry, where)
        _refuse_name(entry.filename.rstrip("/") if _is_folder(entry) else entry.filename, where)
    _refuse_size(entries, where)
    _refuse_twice(entries, where)
    folders = {entry.filename.partition("/")[0] for entry in entries}
    folder = next(iter(folders), "")
    names = frozenset(entry.filename.partition("/")[2] for entry in entries)
    if len(folders) != 1 or NAME not in names or not IDENTIFIER.fullmatch(folder):
        raise RecordError(
            f"{where} has no <codec>/{NAME} in one folder, so it is no package; expected an "
            "archive made by `invrbench pack`."
        )
    return names, folder


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    """What ``entry.is_dir()`` says, of an entry without a name as well."""
    return entry.filename.endswith("/")


def _refuse_kind(entry: zipfile.ZipInfo, where: str) -> None:
    if entry.flag_bits & 0x1:
        raise RecordError(f"{where}: {entry.filename} is encrypted; packages are not.")
    if entry.compress_type not in METHODS:
        raise RecordError(
            f"{where}: {entry.filename} is packed by method {entry.compress_type}; packages are "
            "deflated or stored."
        )
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a link" if kind == stat.S_IFLNK else "a device or pipe"
        raise RecordError(
            f"{where}: {entry.filename} is {what}; a package holds plain files only. "
            "Nothing was unpacked."
        )


def _refuse_name(name: str, where: str) -> None:
    parts = PurePosixPath(name).parts
    leaves = name.startswith("/") or "\\" in name or ":" in name.partition("/")[0]
    odd = any(part in ("", ".", "..") for part in name.split("/"))
    if len(name.encode(errors="surrogateescape")) > MOST_NAME_BYTES or any(
        len(part.encode(errors="surrogateescape")) > MOST_PART_BYTES for part in parts
    ):
        raise RecordError(
            f"{where}: {shortened(name)} is longer than file names can be. Nothing was unpacked."
        )
    if leaves or odd or not parts or any(ord(sign) < 32 or ord(sign) == 127 for sign in name):
        raise RecordError(
            f"{where}: {name!r} leads outside of the package's folder or is no plain path. "
            "Nothing was unpacked."
        )


def _refuse_size(entries: list[zipfile.ZipInfo], where: str) -> None:
    total = 0
    for entry in entries:
        total += entry.file_size
        grows = entry.file_size > MAX_RATIO * max(1, entry.compress_size)
        if entry.file_size > MAX_MEMBER_BYTES or total > MAX_BYTES:
            raise RecordError(
                f"{where}: {entry.filename} would unpack to {entry.file_size} bytes, all files to "
                f"{total} and more; at most {MAX_MEMBER_BYTES} each and {MAX_BYTES} together are "
                "taken. Nothing was unpacked."
            )
        if grows and entry.file_size > _RATIO_FROM_BYTES:
            raise RecordError(
                f"{where}: {entry.filename} would unpack from {entry.compress_size} to "
                f"{entry.file_size} bytes, which no code, table or bitstream does. "
                "Nothing was unpacked."
            )
        if entry.filename.endswith(f"/{NAME}") and entry.file_size > MAX_JSON_BYTES:
            raise RecordError(
                f"{where}: {NAME} has {entry.file_size} bytes; at most {MAX_JSON_BYTES} are read."
            )


def _refuse_twice(entries: list[zipfile.ZipInfo], where: str) -> None:
    """One name twice, were it only in other case, or a file where another has its folder."""
    seen: set[str] = set()
    folders: set[str] = set()
    for entry in entries:
        plain = unicodedata.normalize("NFC", entry.filename).casefold()
        if plain in seen:
            raise RecordError(
                f"{where} holds {entry.filename} twice (case does not count). Nothing was unpacked."
            )
        seen.add(plain)
        folders.update(parent.as_posix() for parent in PurePosixPath(plain).parents)
    both = sorted(seen & folders)
    if both:
        raise RecordError(f"{where}: {both[0]} is a file and a folder. Nothing was unpacked.")


# ---- package.json


def _value(raw: bytes, where: str) -> dict[str, Any]:
    try:
        value = parse_json(raw)
    except ValueError as error:
        raise RecordError(f"{where}: {NAME} cannot be read: {error}.") from None
    if not isinstance(value, dict) or value.get("kind") != KIND:
        raise RecordError(f"{where}: {NAME} is not that of a package; see `invrbench pack`.")
    schema = value.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        made = value.get("harness")
        version = made.get("version", "unknown") if isinstance(made, dict) else "unknown"
        raise RecordError(
            f"{where} was packed by a newer invrbench ({version}, schema {schema}); this one "
            f"reads schemas up to {SCHEMA}. Update invrbench and try again."
        )
    _refuse_texts(value, where)
    check_structure(value, "package", where=f"{where}: {NAME}", error=RecordError)
    for part in ("points", "views", "left_out", "anchors"):
        for number, row in enumerate(value[part]):
            _refuse_cells(row, f"{where}: {NAME} {part}[{number}]")
    return value


def _refuse_texts(value: Any, where: str) -> None:
    """Refuse signs that no document can show."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str) and _NO_TEXT.search(each):
            raise RecordError(f"{where}: {NAME} holds control characters in {each[:40]!r}.")


def _refuse_cells(row: Row, where: str) -> None:
    """Refuse a row in which a number is none, or beyond what any measurement gives."""
    for name in _NUMBERS & set(row):
        cell = row[name]
        is_number = isinstance(cell, int | float) and not isinstance(cell, bool)
        if cell is not None and not (is_number and abs(cell) <= MAX_NUMBER):
            shown = str(cell)[:40]
            raise RecordError(f"{where}.{name} is {shown!r}; expected a number or null.")
    for name in set(row) - _NUMBERS:
        if not isinstance(row[name], str | int | float | None):
            raise RecordError(f"{where}.{name} is no text and no number.")
