"""The training loop: order of data, schedules, progress, checkpoints and refusals."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from inrkit.errors import CodecError
from inrkit.fit import Frames, Training, fit, frame_order, step_count
from inrkit.job import DecodeJob, FitJob, read_job
from inrkit.loss import fusion6, ssim
from inrkit.model_files import load_model, save_model
from inrkit.schedule import Plateau, WarmUpCosine
from proposal_runs import fit_job
from torch import nn


class Scalar(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor([value]))


def train(model: Scalar, folder: Path, *, key: str = "k", **settings: object) -> None:
    def loss_of(step: int, _: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        loss = (model.value - 1).square().mean()
        return loss, loss

    defaults: dict[str, object] = {
        "steps": 50,
        "learning_rate": 0.1,
        "schedule": WarmUpCosine(50),
        "seed": 0,
        "precision": "fp32",
    }
    fit(model, loss_of, Training(**(defaults | settings)), checkpoint=folder, key=key)


def test_every_epoch_visits_each_frame_once_in_an_order_of_its_own() -> None:
    order = frame_order(7, 2, seed=1)
    epochs = [[int(i) for step in range(4) for i in order(4 * e + step)] for e in range(3)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert epochs[2] == [int(i) for step in range(4) for i in frame_order(7, 2, seed=1)(8 + step)]
    assert epochs[0] != [int(i) for step in range(4) for i in frame_order(7, 2, seed=2)(step)]


def test_warm_up_and_cosine_meet_the_papers_factors() -> None:
    hnerv = WarmUpCosine(300, warm_up=0.1)
    assert [hnerv.factor(step) for step in (0, 15, 30, 165)] == pytest.approx([0.1, 0.55, 1, 0.5])
    assert 0 < hnerv.factor(299) < 1e-4


def test_a_cosine_to_a_last_rate_follows_torchs_own() -> None:
    ours = WarmUpCosine(40, warm_up=0, end=1e-3)
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-2)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=40, eta_min=1e-5)
    for step in range(40):
        assert 1e-2 * ours.factor(step) == pytest.approx(optimiser.param_groups[0]["lr"])
        optimiser.step()
        theirs.step()


def test_weight_decay_shrinks_a_weight_without_gradient_by_rate_times_decay(
    tmp_path: Path,
) -> None:
    model = Scalar(1.0)
    train(model, tmp_path, steps=1, schedule=WarmUpCosine(1, warm_up=0), weight_decay=0.5)
    assert model.value.item() == pytest.approx(1 - 0.1 * 0.5)


def test_the_plateau_schedule_follows_torchs_own() -> None:
    ours = Plateau(shrink=0.5, patience=5, threshold=1e-2)
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=0.5, patience=5, threshold=1e-2, threshold_mode="rel"
    )
    generator = np.random.default_rng(0)
    for step in range(200):
        loss = math.exp(-step / 50) * (1 + 0.2 * generator.random())
        ours.observe(loss)
        theirs.step(loss)
        assert ours.factor(step) == pytest.approx(optimiser.param_groups[0]["lr"])
    assert ours.factor(200) < 1


def test_a_stale_plateau_ends_the_fit() -> None:
    schedule = Plateau(stop_after=3)
    for loss in (1.0, 1.0, 1.0):
        schedule.observe(loss)
    assert not schedule.is_over
    schedule.observe(1.0)
    assert schedule.is_over


def test_training_reaches_the_minimum_and_reports_progress(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Scalar(0.0)
    train(model, tmp_path, steps=200, schedule=WarmUpCosine(200))
    assert model.value.item() == pytest.approx(1, abs=1e-2)
    assert capsys.readouterr().err.splitlines()[-1].startswith("progress 1.0000 step=200 psnr_rgb_")


def test_a_loss_that_is_not_finite_ends_the_fit_with_step_and_rate(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=r"loss is nan at step 0 of 50 \(learning rate 0\.01\)"):
        train(Scalar(math.nan), tmp_path)


def test_the_best_model_is_kept_on_request(tmp_path: Path) -> None:
    class Falling(WarmUpCosine):
        def factor(self, step: int) -> float:
            return 100.0 if step == 49 else 0.0

    kept, lost = Scalar(0.9), Scalar(0.9)
    train(kept, tmp_path, schedule=Falling(50), keep="best")
    train(lost, tmp_path, schedule=Falling(50), keep="last")
    assert kept.value.item() == pytest.approx(0.9)
    assert lost.value.item() > 2


def test_a_checkpoint_of_another_job_is_discarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("inrkit.fit.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("inrkit.fit.CHECKPOINT_SHARE", math.inf)
    train(Scalar(0.0), tmp_path, key="old")
    assert (tmp_path / "checkpoint.pt").is_file()
    capsys.readouterr()
    train(Scalar(0.0), tmp_path, key="new")
    assert "resumed" not in capsys.readouterr().err
    train(Scalar(0.0), tmp_path, key="new")
    assert "resumed at step 49 of 50" in capsys.readouterr().err


def test_a_budget_names_steps_or_epochs() -> None:
    assert step_count({"steps": 7}, frames=132, batch=2) == 7
    assert step_count({"epochs": 300}, frames=132, batch=2) == 19800
    with pytest.raises(CodecError, match="either steps or epochs"):
        step_count({}, frames=1, batch=1)


def test_frames_are_scaled_by_their_peak_and_padded_by_their_border() -> None:
    video = np.full((2, 3, 2, 3), 1023, np.int16)
    video[1] = 0
    frames = Frames(video, peak=1023, device=torch.device("cpu"), size=(4, 4))
    taken = frames[torch.tensor([1, 0])]
    assert taken[0].max() == 0 and taken[1].min() == 1
    assert frames.padded(taken).shape == (2, 3, 4, 4)
    assert frames.padded(taken)[1].min() == 1


@pytest.mark.parametrize("size", [(24, 30), (9, 14), (11, 5)])
def test_the_gradient_of_ssim_is_that_of_its_definition_in_float64(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(2)
    target = torch.rand(2, 3, *size, generator=generator)
    predicted = torch.rand(2, 6, *size, generator=generator, requires_grad=True)
    weights = torch.tensor([0.7, -1.3])
    (found,) = torch.autograd.grad((weights * ssim(predicted, target)).sum(), predicted)
    sides = [torch.arange(min(11, side)).double() - (min(11, side) - 1) / 2 for side in size]
    down, across = ((-(place**2) / 4.5).exp() for place in sides)
    window = torch.outer(down / down.sum(), across / across.sum())

    def mean(pictures: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(pictures, window.repeat(3, 1, 1, 1), groups=3)

    y, expected = target.double(), torch.zeros(())
    for weight, x in zip(weights, predicted.double().split(3, dim=1), strict=True):
        variances = [mean(z * z) - mean(z) ** 2 for z in (x, y)]
        alike = (2 * mean(x) * mean(y) + 1e-4) * (2 * (mean(x * y) - mean(x) * mean(y)) + 9e-4)
        unlike = (mean(x) ** 2 + mean(y) ** 2 + 1e-4) * (sum(variances) + 9e-4)
        expected = expected + weight * (alike / unlike).mean()
    (by_definition,) = torch.autograd.grad(expected, predicted)
    assert by_definition.abs().max() > 1e-4
    torch.testing.assert_close(found, by_definition, rtol=1e-3, atol=1e-7)


def test_ssim_agrees_with_pytorch_msssim() -> None:
    from pytorch_msssim import ssim as reference

    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(2, 3, 40, 52, generator=generator)
    noisy = (clean + 0.3 * torch.rand(2, 3, 40, 52, generator=generator)).clamp(0, 1)
    expected = reference(clean, noisy, data_range=1.0)
    found = ssim(torch.cat([noisy, clean], dim=1), clean)
    assert found.tolist() == pytest.approx([expected.item(), 1], abs=1e-6)
    assert fusion6(clean, clean).tolist() == pytest.approx([0], abs=1e-6)


def test_a_model_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    tensors = {"b": np.arange(3, dtype=np.int32), "a": np.ones((2, 2), np.float32)}
    save_model(tmp_path / "model", tensors, {"n": 1})
    loaded, meta = load_model(tmp_path / "model")
    assert list(loaded) == ["b", "a"] and meta == {"n": 1}
    assert all(np.array_equal(loaded[name], tensors[name]) for name in tensors)


def test_a_job_is_named_by_its_content_and_not_by_its_folders(tmp_path: Path) -> None:
    source = {"path": "/here/x.yuv", "pixel_format": "yuv420p", "width": 4, "height": 2}
    source |= {"fps": "30000/1001", "frames": 1, "matrix": "bt709", "range": "limited"}
    fields = fit_job(source, {"steps": 1}, tmp_path / "one")
    fields |= {"schema": 1, "verb": "fit", "device": "cpu", "threads": 2}
    (tmp_path / "a.json").write_text(json.dumps(fields))
    moved = fields | {"checkpoint": "/elsewhere", "source": source | {"path": "/there.yuv"}}
    (tmp_path / "b.json").write_text(json.dumps(moved))
    (tmp_path / "c.json").write_text(json.dumps(moved | {"seed": 4}))
    one, two, three = (read_job(tmp_path / f"{name}.json") for name in "abc")
    assert isinstance(one, FitJob) and isinstance(two, FitJob) and isinstance(three, FitJob)
    assert one.key == two.key != three.key
    assert float(one.source.fps) == pytest.approx(29.97, abs=1e-3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": 2, "verb": "decode"}, "schema 2; this codec reads schema 1"),
        ({"schema": 1, "verb": "transcode"}, "verb 'transcode'; use fit, encode, decode"),
        ({"schema": 1, "verb": "decode"}, "lacks the field 'bitstream' of a decode job"),
    ],
)
def test_a_job_that_is_not_understood_is_refused(
    tmp_path: Path, fields: dict[str, object], message: str
) -> None:
    (tmp_path / "job.json").write_text(json.dumps(fields))
    with pytest.raises(CodecError, match=message):
        read_job(tmp_path / "job.json")


def test_a_decode_job_holds_the_bitstream_and_nothing_of_the_source(tmp_path: Path) -> None:
    fields = {"schema": 1, "verb": "decode", "bitstream": "/job/b", "output": "/job/o"}
    (tmp_path / "job.json").write_text(json.dumps(fields | {"device": "cpu", "threads": 1}))
    job = read_job(tmp_path / "job.json")
    assert job == DecodeJob(Path("/job/b"), Path("/job/o"), "cpu", 1)
