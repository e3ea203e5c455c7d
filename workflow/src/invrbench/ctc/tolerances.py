"""How far a cross-checker's value may lie from the claimed one and still confirm it."""

from collections.abc import Mapping

# Largest difference of a column, in its unit, where test conditions state none. Bytes and MD5 have
# none: a bitstream is equal or another one. Decoded pictures of two machines differ by single
# samples, which moves PSNR in the third decimal; metrics that a network or a flow computes move
# further with the versions of their libraries.
DEFAULT_TOLERANCES: Mapping[str, float] = {
    "psnr_y_db": 0.01,
    "psnr_u_db": 0.01,
    "psnr_v_db": 0.01,
    "psnr_yuv_db": 0.01,
    "psnr_yuv411_db": 0.01,
    "psnr_rgb_db": 0.01,
    "ssim_y": 1e-4,
    "ms_ssim_y": 1e-4,
    "ms_ssim_y_db": 0.02,
    "lpips": 1e-3,
    "vmaf": 0.05,
    "xpsnr_y_db": 0.01,
    "iv_psnr_db": 0.01,
    "dssim1": 1e-4,
    "dssim2": 1e-4,
    "tof": 1e-3,
    "warping_error": 1e-5,
    "flicker": 1e-2,
    "psnr_rgb_still_db": 0.01,
    "psnr_rgb_moving_db": 0.01,
    "psnr_y_render_db": 0.01,
    "psnr_rgb_render_db": 0.01,
}


def tolerances(stated: Mapping[str, float]) -> dict[str, float]:
    """By column: the tolerance that test conditions state, else the default.

    >>> tolerances({"vmaf": 0.5})["vmaf"], tolerances({})["psnr_y_db"]
    (0.5, 0.01)
    """
    return {**DEFAULT_TOLERANCES, **stated}
