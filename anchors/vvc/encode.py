"""VVC anchor: libvvenc at constant QP, without perceptual QP adaptation. ``encode.py job.json``."""

from anchorkit.codec import VVC, run_encode
from anchorkit.job import EncodeJob, pick_structure


def options(job: EncodeJob) -> list[str]:
    """ffmpeg's options; what each is worth is in anchors/README.md."""
    structure = pick_structure(
        job.configuration,
        ai={"intraperiod": 1, "gopsize": 1},
        ld={
            "picreordering": 0,
            "gopsize": 8,
            "intraperiod": -1,
            "decodingrefreshtype": "none",
        },
        ra={"intraperiod": job.intra_period},
    )
    parameters = {"poc0idr": 1, "bim": 0, **structure}
    return [
        *("-c:v", "libvvenc", "-preset", "medium", "-qpa", "0", "-qp", str(job.qp)),
        *("-vvenc-params", ":".join(f"{key}={value}" for key, value in parameters.items())),
    ]


if __name__ == "__main__":
    run_encode(VVC, options)
