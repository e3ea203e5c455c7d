"""AV1 anchor: libsvtav1 at constant quantiser, tuned for PSNR. ``encode.py job.json``."""

from anchorkit.codec import AV1, run_encode
from anchorkit.job import EncodeJob, pick_structure


def options(job: EncodeJob) -> list[str]:
    """ffmpeg's options; what each is worth is in anchors/README.md."""
    structure = pick_structure(
        job.configuration,
        ai={"keyint": 1},
        ld={"keyint": -1, "pred-struct": 1, "hierarchical-levels": 2},
        ra={"keyint": job.intra_period},
    )
    parameters = {"lp": 1, "tune": 1, "aq-mode": 0, "scd": 0, **structure}
    return [
        *("-c:v", "libsvtav1", "-preset", "2", "-qp", str(job.qp)),
        *("-svtav1-params", ":".join(f"{key}={value}" for key, value in parameters.items())),
    ]


if __name__ == "__main__":
    run_encode(AV1, options)
