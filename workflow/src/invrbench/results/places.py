"""Texts that leave this machine without its name, its folders and the paths of its owner."""

import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path

# What every machine has there tells nothing of this one.
_COMMON = ("/usr/", "/lib/", "/lib64/", "/proc/", "/sys/", "/dev/", "/bin/", "/etc/")
_ABSOLUTE = re.compile(r"(?<![\w.~/<>-])/(?:[^\s/:'\"(),;]+/)+[^\s:'\"(),;]*")
_SHORTEST_NAME = 4  # letters of a host's name that are not taken for a word


def without_places(text: str, root: Path) -> str:
    """A sentence or a log without host name, home, and folders outside the repository.

    Paths below ``root`` become relative to it; of other absolute paths the last name is left, of
    libraries what follows ``site-packages``.

    >>> without_places("no /data/clips/Cactus.yuv; see 8/3 and https://a.org/b", Path("/repo"))
    'no …/Cactus.yuv; see 8/3 and https://a.org/b'
    """
    text = text.encode("utf-8", "replace").decode()  # half a pair of UTF-16 is no letter
    for place, shown in _places(root).items():
        text = text.replace(place, shown)
    host = platform.node()
    if len(host) >= _SHORTEST_NAME:
        text = re.sub(rf"(?<!\w){re.escape(host)}(?!\w)", "<host>", text)
    return _ABSOLUTE.sub(_shortened, text)


def _places(root: Path) -> Mapping[str, str]:
    """This machine's folders and what stands for them, the longest first."""
    whole = str(root.resolve())
    places = {
        f"{whole}/": "",
        f"{root}/": "",
        whole: ".",
        sys.prefix: "<python>",
        sys.base_prefix: "<python>",
        str(Path.home()): "~",
    }
    kept = {place: shown for place, shown in places.items() if place.startswith("/")}
    kept = {place: shown for place, shown in kept.items() if len(place) > 1 and place != "/usr"}
    return dict(sorted(kept.items(), key=lambda item: -len(item[0])))


def _shortened(match: re.Match[str]) -> str:
    path = match[0]
    if path.startswith(_COMMON):
        return path
    library = path.partition("/site-packages/")[2]
    return f"…/{library or path.rstrip('/').rpartition('/')[2]}"
