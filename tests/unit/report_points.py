"""Points as a run of the mini conditions leaves them, made by formula, for tests of the report."""

import hashlib
import math
from typing import Any

from invrbench.report.info import CodecInfo, RunInfo, SequenceInfo

STILLS = {"bikes-still": (480, 272), "flower": (480, 318)}
CLIPS = {"bunny-mini@0+32": (320, 176), "bikes-mini@76+32": (320, 176)}
FRAMES, FPS = 32, 25
QPS = (22, 27, 32, 37, 42, 47)
# share of AVC's rate that the encoder needs, per anchor
ANCHORS = {"avc": 1.0, "hevc": 0.8, "vvc": 0.6, "av1": 0.7}
# (proposal, stills?): rate relative to AVC's at the same quality, and its qualities in dB
PROPOSALS = {
    ("inric", True): (2.6, (25.1, 27.3, 29.2, 31.4)),
    ("hnerv", False): (1.9, (27.9, 29.6, 31.7, 33.9)),
    ("ffnerv", False): (1.4, (29.0, 30.8, 33.2, 35.1)),
}
CODECS = {
    "avc": CodecInfo("AVC (x264 164 veryslow)", "anchor"),
    "hevc": CodecInfo("HEVC (x265 4.1 veryslow)", "anchor"),
    "vvc": CodecInfo("VVC (VVenC 1.13 medium)", "anchor"),
    "av1": CodecInfo("AV1 (SVT-AV1 3.1 preset 2)", "anchor"),
    "inric": CodecInfo("INRIC", "proposal", document="m61234"),
    "hnerv": CodecInfo("HNeRV", "proposal", document="m60001"),
    "ffnerv": CodecInfo("FFNeRV", "proposal", document="m60002"),
    "store": CodecInfo("Store (raw samples)", "control"),
    "flat": CodecInfo("Flat (mean colour)", "control"),
}


def info(**changes: Any) -> RunInfo:
    """A run's description."""
    sequences = {
        name: SequenceInfo(w, h, 1, "1", "yuv420p", _md5(name), "verified", "embedded")
        for name, (w, h) in STILLS.items()
    } | {
        name: SequenceInfo(w, h, FRAMES, str(FPS), "yuv420p", _md5(name), "verified", "embedded")
        for name, (w, h) in CLIPS.items()
    }
    fields = {
        "conditions": "mini",
        "title": "All tracks with a few codecs each, on embedded data",
        "digest": "0123456789abcdef0123456789abcdef",
        "headline_anchor": "hevc",
        "headline_metrics": ("psnr_y_db", "ms_ssim_y_db"),
        "budget": "quick",
        "codecs": CODECS,
        "sequences": sequences,
        "families": ("picture", "ffmpeg", "perceptual"),
        "generated_from": "2025-11-22T15:00:00+00:00",
        "commit": "94e97d7c0ffee",
        "tool_versions": {"ffmpeg": "9.0.2", "torch": "2.15.0", "nncodec": "2.1.3"},
        "sandbox": ("bubblewrap",),
        "machine": "two-core-cpu",
        "metric_versions": {"psnr_y_db": "invrbench 0.1.0", "vmaf": "libvmaf 3.0.0 (vmaf_v0.6.1)"},
    }
    return RunInfo(**(fields | changes))


def points() -> list[dict[str, Any]]:
    """All points of the run, each present."""
    rows = []
    for name in (*STILLS, *CLIPS):
        rows += [_anchor(name, codec, qp) for codec in ANCHORS for qp in QPS]
        for (codec, still), (share, qualities) in PROPOSALS.items():
            if still == (name in STILLS):
                rows += [_proposal(name, codec, share, i, q) for i, q in enumerate(qualities)]
        rows += [_control(name, "store"), _control(name, "flat")]
    return rows


def curve(rows: list[dict[str, Any]], sequence: str, codec: str) -> list[dict[str, Any]]:
    """The points of a codec on a sequence, themselves, to be changed by a test."""
    name, _, cut = sequence.partition("@")
    return [p for p in rows if (p["sequence"], p["cut"], p["codec"]) == (name, cut, codec)]


def point(sequence: str, codec: str, rate_point: str, **fields: Any) -> dict[str, Any]:
    """One point with the columns every point has."""
    name, _, cut = sequence.partition("@")
    still = sequence in STILLS
    return {
        "conditions": "mini",
        "track": "video",
        "class": "still" if still else "clip",
        "sequence": name,
        "cut": cut,
        "view_set": "",
        "codec": codec,
        "variant": "",
        "role": "proposal",
        "curve": "",
        "configuration": "any",
        "rate_point": rate_point,
        "fit": "",
        "seed": 0,
        "origin": "made",
        "status": "ok",
        "reason": "",
        "sandbox": "bubblewrap",
        "source_md5": _md5(sequence),
    } | fields


def quality(quality_db: float) -> dict[str, float]:
    """All metrics of a picture of this PSNR-Y, related as in real measurements."""
    ssim = 1 - 10 ** (-(quality_db - 14) / 12)
    ms_ssim = 1 - 10 ** (-(quality_db - 12) / 11)
    return {
        "psnr_y_db": quality_db,
        "psnr_u_db": quality_db + 4.1,
        "psnr_v_db": quality_db + 5.2,
        "psnr_yuv_db": quality_db + (4.1 + 5.2) / 8,
        "psnr_rgb_db": quality_db - 1.3,
        "ssim_y": ssim,
        "ms_ssim_y": ms_ssim,
        "ms_ssim_y_db": -10 * math.log10(1 - ms_ssim),
        "lpips": 0.9 * 10 ** (-(quality_db - 10) / 25),
        "vmaf": 100 / (1 + math.exp(-(quality_db - 31) / 3.5)),
        "xpsnr_y_db": quality_db + 0.8,
    }


def avc_bpp(sequence: str, quality_db: float) -> float:
    """Bits per pixel AVC is made to need: doubles every 4.5 dB, stills cost more."""
    base = 0.45 if sequence in STILLS else 0.055
    return base * 2 ** ((quality_db - 35) / 4.5)


def rates(sequence: str, bpp: float) -> dict[str, Any]:
    """Bytes, bpp and kbps of about this many bits per pixel."""
    width, height = (STILLS | CLIPS)[sequence]
    frames = 1 if sequence in STILLS else FRAMES
    size = max(12, round(bpp * width * height * frames / 8))
    return {
        "bitstream_bytes": size,
        "bpp": 8 * size / (width * height * frames),
        "rate_kbps": None if frames == 1 else 8 * size * FPS / (1000 * frames),
    }


def _anchor(sequence: str, codec: str, qp: int) -> dict[str, Any]:
    quality_db = 46.5 - 0.62 * (qp - 22) - 0.002 * (qp - 22) ** 2
    tilt = 1 + 0.004 * (qp - 32) * (ANCHORS[codec] - 1)
    bpp = avc_bpp(sequence, quality_db) * ANCHORS[codec] * tilt
    return point(
        sequence,
        codec,
        f"qp{qp}",
        role="anchor",
        configuration="ai" if sequence in STILLS else "ld",
        encode_seconds=2.4 - 0.02 * qp,
        decode_seconds=0.11,
        peak_memory_bytes=180_000_000,
        bitstream_md5=_md5(sequence, codec, qp),
        decoded_md5=_md5("d", sequence, codec, qp),
        **rates(sequence, bpp),
        **quality(quality_db),
    )


def _proposal(
    sequence: str, codec: str, share: float, index: int, quality_db: float
) -> dict[str, Any]:
    fit, qp = ("s", "m")[index // 2], (-40, -46)[index % 2]
    return point(
        sequence,
        codec,
        f"{fit}.quick_qp{qp}",
        fit=f"{fit}.quick",
        fit_seconds=17.2 + 2 * (index // 2),
        encode_seconds=0.9,
        decode_seconds=1.31,
        peak_memory_bytes=910_000_000,
        kmac_per_pixel=12.3 * (1 + index // 2),
        parameters=123_456 * (1 + index // 2),
        bitstream_md5=_md5(sequence, codec, index),
        decoded_md5=_md5("d", sequence, codec, index),
        **rates(sequence, avc_bpp(sequence, quality_db) * share),
        **quality(quality_db),
    )


def _control(sequence: str, codec: str) -> dict[str, Any]:
    measured = quality(14.9) | {"lpips": 0.8}
    decoded, bpp = _md5("flat", sequence), 0.0001
    if codec == "store":
        measured = dict.fromkeys(measured) | {"ssim_y": 1.0, "ms_ssim_y": 1.0, "lpips": 0.0}
        measured |= {f"{name}_reason": "lossless" for name in measured if name.endswith("_db")} | {
            "vmaf": 99.9
        }
        decoded, bpp = _md5(sequence), 12.0
    return point(
        sequence,
        codec,
        "raw" if codec == "store" else "mean",
        role="control",
        decoded_md5=decoded,
        bitstream_md5=_md5(codec, sequence),
        encode_seconds=0.1,
        decode_seconds=0.1,
        **rates(sequence, bpp),
        **measured,
    )


def _md5(*parts: object) -> str:
    return hashlib.md5(repr(parts).encode(), usedforsecurity=False).hexdigest()
