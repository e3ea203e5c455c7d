"""Refusing what does not fit into memory before it is begun."""

import os
from pathlib import Path

import torch

from inrkit.errors import CodecError

GIB = 1 << 30
SHARE = 0.9  # of the memory that one verb may take
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def memory_bytes(device: torch.device) -> int:
    """Memory that this machine (or its control group) grants, or that the GPU has free."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = _CGROUP_LIMIT.read_text().strip()
    except OSError:
        return whole
    return min(whole, int(limit)) if limit.isdecimal() else whole


def require_memory(needed: int, what: str, device: torch.device, *, advice: str) -> None:
    """Refuse ``what`` (plural) if it needs more than the device holds.

    Raises:
        CodecError: "<what> need 12.3 GiB and 8.0 GiB are there; <advice>."
    """
    there = memory_bytes(device)
    if needed > SHARE * there:
        raise CodecError(
            f"{what} need {needed / GIB:.3g} GiB and the {device.type} has {there / GIB:.3g} GiB; "
            f"{advice}."
        )
