"""Names, units, formulas and number formats of the metrics, as reports print them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """How a column of points.tsv is shown: short label, unit, decimals and definition."""

    label: str
    unit: str
    decimals: int
    definition: str

    @property
    def axis(self) -> str:
        """The label with its unit, as on an axis."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def number_format(self) -> str:
        """Excel's number format of a cell."""
        return "0" if self.decimals == 0 else "0." + "0" * self.decimals

    @property
    def signed_format(self) -> str:
        """Excel's number format of a difference."""
        plain = self.number_format
        return f"+{plain};-{plain};{plain}"


_PSNR = (
    "Mean over frames of 10·log10(peak²/MSE) of the plane, peak = 255·2^(b−8) at bit depth b "
    "(the convention of the reference software; 10 bit: 1020). Lossless planes have no number."
)
_DSSIM = (
    "(1 − SSIM)/2 of R, G, B in [0, 1], uniform 7×7 window, K = (0.01, 0.03), sample covariance "
    "(scikit-image), mean over components and frames; lower is better."
)
_REGION_PSNR = (
    "Mean over frames of 10·log10(1/MSE), MSE over R, G, B in [0, 1] of the view's pixels that are"
)
_STILL = (
    "A pixel is still if the standard deviation over time of each of its R, G, B is at most 0.02 "
    "of full scale in the source, else moving; needs two instants."
)

METRICS: dict[str, Metric] = {
    "psnr_y_db": Metric("PSNR-Y", "dB", 2, f"Luma. {_PSNR}"),
    "psnr_u_db": Metric("PSNR-U", "dB", 2, f"First chroma plane. {_PSNR}"),
    "psnr_v_db": Metric("PSNR-V", "dB", 2, f"Second chroma plane. {_PSNR}"),
    "psnr_yuv_db": Metric(
        "PSNR-YUV 6:1:1", "dB", 2, "(6·PSNR-Y + PSNR-U + PSNR-V) / 8 of the sequence values."
    ),
    "psnr_yuv411_db": Metric(
        "PSNR-YUV 4:1:1",
        "dB",
        2,
        "10·log10(peak² / MSE), MSE = (4·MSE_Y + MSE_U + MSE_V) / 6, each the mean over frames.",
    ),
    "psnr_rgb_db": Metric(
        "PSNR-RGB",
        "dB",
        2,
        "Mean over frames of 10·log10(1/MSE) over R, G, B in [0, 1]; both sides converted with "
        "the sequence's matrix and range, chroma interpolated bilinearly at its siting, clipped, "
        "not rounded.",
    ),
    "ssim_y": Metric(
        "SSIM-Y", "", 4, "Luma, 11×11 Gaussian window, σ 1.5, K = (0.01, 0.03), L = 2^b − 1."
    ),
    "ms_ssim_y": Metric(
        "MS-SSIM-Y",
        "",
        4,
        "Luma, five scales with weights 0.0448 0.2856 0.3001 0.2363 0.1333, 11×11 Gaussian "
        "window, σ 1.5; odd levels are zero-padded. Undefined below 161 pixels.",
    ),
    "ms_ssim_y_db": Metric("MS-SSIM-Y", "dB", 2, "−10·log10(1 − MS-SSIM-Y)."),
    "lpips": Metric(
        "LPIPS", "", 4, "LPIPS 0.1 with AlexNet features on RGB in [−1, 1]; lower is better."
    ),
    "vmaf": Metric("VMAF", "", 2, "libvmaf's default model, mean over frames, 0 to 100."),
    "xpsnr_y_db": Metric(
        "XPSNR-Y",
        "dB",
        2,
        "Perceptually weighted PSNR of luma, ffmpeg's xpsnr filter; dB of the mean distortion.",
    ),
    "iv_psnr_db": Metric(
        "IV-PSNR",
        "dB",
        2,
        "Immersive-video PSNR (N0535): best match within 2 pixels, global offset removed up to a "
        "limit, planes weighted 4:1:1, mean over frames.",
    ),
    "dssim1": Metric("DSSIM1", "", 4, f"{_DSSIM} Data range L = 1, that of the samples."),
    "dssim2": Metric(
        "DSSIM2",
        "",
        4,
        f"{_DSSIM} Data range L = 2, scikit-image's former default for floating-point pictures: "
        "several published tables use it. Never compare it with DSSIM1.",
    ),
    "tof": Metric(
        "tOF",
        "pixel",
        3,
        "Mean L2 norm of the difference between the Farnebäck flows (0.5, 3, 15, 3, 5, 1.2) of "
        "source and decoded view, over all pixels and all pairs of neighbouring instants; "
        "TecoGAN's script crops and skips the first and last two frames. Lower is better.",
    ),
    "warping_error": Metric(
        "Warping error",
        "",
        6,
        "Decoded instant t+1 brought back to t along the source's Farnebäck flow; mean squared "
        "difference to decoded instant t over R, G, B in [0, 1], pixels that fail the check "
        "|f+b|² ≤ 0.01·(|f|²+|b|²) + 0.5 or leave the picture left out, mean over pairs. The "
        "source's own is not zero; a blurred view has a small one. Lower is better.",
    ),
    "flicker": Metric(
        "Flicker",
        "8-bit levels",
        2,
        "Mean over still pixels of |σ(decoded) − σ(source)|, σ: standard deviation over time of "
        f"BT.709 luma, 0 to 255. {_STILL} Lower is better.",
    ),
    "psnr_rgb_still_db": Metric("PSNR-RGB, still", "dB", 2, f"{_REGION_PSNR} still. {_STILL}"),
    "psnr_rgb_moving_db": Metric("PSNR-RGB, moving", "dB", 2, f"{_REGION_PSNR} moving. {_STILL}"),
    "psnr_y_render_db": Metric(
        "PSNR-Y to render",
        "dB",
        2,
        "PSNR-Y against what the uncompressed model of the same fit decodes to, not the source.",
    ),
    "psnr_rgb_render_db": Metric(
        "PSNR-RGB to render",
        "dB",
        2,
        "PSNR-RGB against what the uncompressed model of the same fit decodes to, not the source.",
    ),
}


def metric(column: str) -> Metric:
    """How a column is shown; an unknown one by its own name."""
    return METRICS.get(column) or Metric(column, "", 4, "")


# (term, definition): everything a reader must know to repeat a number of the report.
DEFINITIONS: tuple[tuple[str, str], ...] = (
    (
        "Rate",
        "Size of the bitstream file that the decoder received, and nothing else: no container, "
        "no estimate, no free side information.",
    ),
    ("bpp", "8 · bitstream bytes / pixels of all coded frames."),
    ("kbps", "8 · bitstream bytes · frames/s / (1000 · frames)."),
    (
        "BD-rate",
        "Bjøntegaard delta rate: 100·(10^d − 1) %, d = mean difference of log10(rate) over the "
        "common quality range, piecewise cubic Hermite interpolation (pchip, as JVET). Negative: "
        "the tested codec needs less rate. bd.tsv also holds akima and cubic as a spread.",
    ),
    (
        "Overlap",
        "Share of the tested curve's quality range that the reference covers. Below 75 % the "
        "number is shown with its share, e.g. +8.3% (58 %), and enters no mean.",
    ),
    (
        "Means",
        "Mean of the sequences' BD-rates (per sequence first, then averaged); 'n of N' says on "
        "how many of the expected sequences it rests. With n = 0 there is no mean.",
    ),
    (
        "Headline anchor",
        "A codec that serves any configuration is compared with the anchor in every "
        "configuration; the summary shows the strongest, against which the BD-rate is worst.",
    ),
    (
        "Rate vs anchor",
        "100 · rate of the point / rate of the headline anchor at equal quality (pchip of log "
        "rate over quality, inside the anchor's range). 100 % = same rate, 200 % = twice.",
    ),
    (
        "Enc T, Dec T",
        "Wall clock of the harness around the command, in seconds; Enc T of a trained codec is "
        "training plus encoding. Marked 'shared machine' when other jobs could run beside it: "
        "such times are no measure of speed. Marked 'alone': median of three by the target timing, "
        "no other job running and other processes using less than a tenth of a core.",
    ),
    (
        "Encode, decode time ratio",
        "Times of the tested codec over those of the headline anchor: per sequence the geometric "
        "mean over a curve's points, then the geometric mean over sequences. Only times taken "
        "alone on one machine and device are compared; else the cell says why not.",
    ),
    (
        "Cross-check",
        "What others found who decoded and measured the packed bitstreams on their machine: how "
        "many of how many points were bit-exact or equal within the tolerances of the conditions.",
    ),
    (
        "drift",
        "The worst of what further decodes of a bitstream gave, under the settings named: "
        "bit-exact (how many settings); equal to 4 decimals in every PSNR; within the largest "
        "difference of any frame and plane; fails. Empty: nobody looked.",
    ),
    (
        "Budget",
        "Optimiser steps of a fit: seconds (≤ 5 s), quick (≤ 20 s), minute (≤ 90 s) on two "
        "cores, paper. A finding reached below paper is an indication.",
    ),
    ("Self-reported", "Stated by the codec itself in notes.json, not measured by the harness."),
    (
        "uncompressed_bpp, bits_per_weight, compression_ratio",
        "32 · parameters / pixels; 8 · bitstream bytes / parameters; 32 · parameters / (8 · "
        "bitstream bytes). The number of parameters is the codec's own statement.",
    ),
    (
        "Seeds",
        "A codec that was trained from several seeds is shown by the mean over them, stated as "
        "'mean of n seeds'; BD-rates are computed seed by seed, then averaged. From three seeds "
        "on, sheet Seeds and seeds.tsv state n, mean, smallest, largest and sample standard "
        "deviation s (n − 1) of every point's rate and metrics and of every BD-rate, with the "
        "two-sided 95 % interval mean ± t·s/√n, t of Student with n − 1 degrees of freedom; "
        "'not distinguishable from 0' where it holds 0. It tells the noise of training, not that "
        "of the choice of sequences.",
    ),
    (
        "Finding",
        "A claim of the experiment with the test that its conditions state; holds, does not "
        "hold, or undecided with the reason. Below budget 'paper' a verdict is an indication.",
    ),
    (
        "Hull",
        "Pareto front of several curves of a codec: for each metric, the points that no other "
        "of them matches at less rate.",
    ),
)

# Reason codes that stand where a number would.
REASONS: tuple[tuple[str, str], ...] = (
    ("no-overlap", "The two curves share no quality; extend the reference by the QP named."),
    ("non-monotone", "More rate gives less quality somewhere on a curve."),
    ("fewer-than-4-points", "A curve has fewer than four points."),
    ("missing-point", "An expected point of a curve failed, is missing or stale."),
    ("saturated", "The metric is at its ceiling, so that rate buys nothing any more."),
    (
        "partial-overlap",
        "The reference covers less than 75 % of the tested quality range; the number is shown "
        "with its share and enters no mean.",
    ),
    ("duplicate-point", "Two points of a curve have the same rate."),
    ("no common rate", "A BD-rate without BD-quality: no rate is reached by both curves."),
    ("no-rate", "A point has no rate above zero."),
    ("not-finite", "A rate or quality is no finite, positive number."),
    ("not measured", "The metric is not part of these conditions, or the point is brought."),
    ("withheld (0 of N)", "A mean of which no sequence has a usable number."),
    ("lossless", "Decoded and source are identical; PSNR is infinite."),
    ("other-views", "The curves were measured on different views."),
    ("no-anchor", "No anchor of a fitting configuration exists for the sequence."),
    ("skipped", "The codec declares that it does not serve this input; the reason is given."),
    ("drawn only", "A published curve of another cut, size or metric convention."),
)
