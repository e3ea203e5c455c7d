"""AVC anchor: libx264 at constant QP, tuned for PSNR. ``encode.py job.json``."""

from anchorkit.codec import AVC, run_encode
from anchorkit.job import EncodeJob, pick_structure


def options(job: EncodeJob) -> list[str]:
    """ffmpeg's options; what each is worth is in anchors/README.md."""
    structure = pick_structure(
        job.configuration,
        ai={"keyint": 1, "ipratio": 1},
        ld={"keyint": "infinite", "bframes": 0, "weightp": 0, "ipratio": 2},
        ra={
            "keyint": job.intra_period,
            "open-gop": 0,
            "bframes": 7,
            "b-adapt": 2,
            "b-pyramid": "normal",
            "ipratio": 2,
            "pbratio": 1.8,
            "weightp": 1,
        },
    )
    parameters = {"scenecut": 0, "cpu-independent": 1, **structure}
    return [
        *("-c:v", "libx264", "-preset", "veryslow", "-tune", "psnr", "-qp", str(job.qp)),
        *("-x264-params", ":".join(f"{key}={value}" for key, value in parameters.items())),
    ]


if __name__ == "__main__":
    run_encode(AVC, options)
