"""HEVC anchor: libx265 at constant QP, tuned for PSNR. ``encode.py job.json``."""

from anchorkit.codec import HEVC, run_encode
from anchorkit.job import EncodeJob, pick_structure


def options(job: EncodeJob) -> list[str]:
    """ffmpeg's options; what each is worth is in anchors/README.md."""
    structure = pick_structure(
        job.configuration,
        ai={"keyint": 1, "ipratio": 1},
        ld={"keyint": -1, "bframes": 0, "weightp": 0, "ipratio": 2},
        ra={
            "keyint": job.intra_period,
            "open-gop": 0,
            "bframes": 8,
            "ipratio": 2,
            "pbratio": 1.6,
        },
    )
    parameters = {
        **{"qp": job.qp, "scenecut": 0, "aq-mode": 0, "cutree": 0, "psy-rd": 0, "psy-rdoq": 0},
        **{"info": 0, "vui-timing-info": 0, "frame-threads": 1, "pools": "none"},
        **structure,
    }
    return [
        *("-c:v", "libx265", "-preset", "veryslow", "-tune", "psnr"),
        *("-x265-params", ":".join(f"{key}={value}" for key, value in parameters.items())),
    ]


if __name__ == "__main__":
    run_encode(HEVC, options)
