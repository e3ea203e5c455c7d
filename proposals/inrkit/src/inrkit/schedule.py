"""Learning-rate schedules: a factor of the base rate for every step of a fit."""

import math
from dataclasses import dataclass, field, replace
from typing import Any, Protocol


class Schedule(Protocol):
    """What the training loop asks of a schedule; all of it survives a resume."""

    def factor(self, step: int) -> float:
        """Factor of the base learning rate at ``step`` (0 …)."""

    def observe(self, loss: float) -> None:
        """Take notice of the loss of the step just made."""

    @property
    def needs_loss(self) -> bool:
        """Whether :meth:`observe` must be called after every step."""

    @property
    def is_over(self) -> bool:
        """Whether the fit may stop before its last step."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint must keep."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state written by :meth:`state`."""


@dataclass(frozen=True)
class WarmUpCosine:
    """Linear from ``floor`` to 1 in the share ``warm_up`` of ``steps``, then ½(1+cos) to ``end``.

    The same once more over ``further`` steps, for training that goes on after a change.
    Source: the training scripts of NeRV (20 % warm-up from 0.1) and HNeRV (10 % from 0.1).

    >>> schedule = WarmUpCosine(steps=100, warm_up=0.2)
    >>> [round(schedule.factor(step), 2) for step in (0, 10, 20, 60, 99)]
    [0.1, 0.55, 1.0, 0.5, 0.0]
    """

    steps: int
    warm_up: float = 0.1
    floor: float = 0.1
    end: float = 0.0
    further: int = 0
    needs_loss: bool = field(default=False, init=False)
    is_over: bool = field(default=False, init=False)

    def factor(self, step: int) -> float:
        """Factor of the base learning rate at ``step`` (0 …)."""
        if self.further and step >= self.steps:
            return replace(self, steps=self.further, further=0).factor(step - self.steps)
        ramp = self.warm_up * self.steps
        if step < ramp:
            return self.floor + (1 - self.floor) * step / ramp
        falling = 0.5 * (1 + math.cos(math.pi * (step - ramp) / (self.steps - ramp)))
        return self.end + (1 - self.end) * falling

    def observe(self, loss: float) -> None:
        """Nothing: the factor depends on the step alone."""

    def state(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing to take up."""


@dataclass(frozen=True)
class Exponential:
    """Falls from 1 by the factor ``decay`` every ``steps`` steps, after a linear warm-up.

    Source: NeRF's code (×0.1 per 250,000 or 500,000 steps); TensoRF (×0.1 over the run).

    >>> [round(Exponential(steps=10, decay=0.1).factor(step), 3) for step in (0, 5, 10)]
    [1.0, 0.316, 0.1]
    """

    steps: int
    decay: float = 0.1
    warm_up_steps: int = 0
    needs_loss: bool = field(default=False, init=False)
    is_over: bool = field(default=False, init=False)

    def factor(self, step: int) -> float:
        """Factor of the base learning rate at ``step`` (0 …)."""
        ramp = min(1.0, (step + 1) / (self.warm_up_steps + 1))
        return float(ramp * self.decay ** (step / self.steps))

    def observe(self, loss: float) -> None:
        """Nothing: the factor depends on the step alone."""

    def state(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing to take up."""


@dataclass
class Plateau:
    """Times ``shrink`` after ``patience`` steps without a loss below (1 − ``threshold``)·best.

    The fit may stop after ``stop_after`` such steps. Source: torch's ReduceLROnPlateau in
    relative mode, with which INRIC trains (methods: factor 0.5, patience 500, early stop 5000).
    """

    shrink: float = 0.5
    patience: int = 500
    threshold: float = 1e-4
    stop_after: int | None = None
    needs_loss: bool = field(default=True, init=False)
    _factor: float = field(default=1.0, init=False)
    _best: float = field(default=math.inf, init=False)
    _bad: int = field(default=0, init=False)
    _stale: int = field(default=0, init=False)

    @property
    def is_over(self) -> bool:
        """Whether ``stop_after`` steps brought no better loss."""
        return self.stop_after is not None and self._stale >= self.stop_after

    def factor(self, step: int) -> float:
        """Factor of the base learning rate now."""
        return self._factor

    def observe(self, loss: float) -> None:
        """Count the step as better than the best so far, or as stale."""
        if loss < self._best * (1 - self.threshold):
            self._best, self._bad, self._stale = loss, 0, 0
            return
        self._bad += 1
        self._stale += 1
        if self._bad > self.patience:
            self._factor, self._bad = self._factor * self.shrink, 0

    def state(self) -> dict[str, Any]:
        """Factor, best loss and both counts."""
        return {"f": self._factor, "best": self._best, "bad": self._bad, "stale": self._stale}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state written by :meth:`state`."""
        self._factor, self._best = state["f"], state["best"]
        self._bad, self._stale = state["bad"], state["stale"]
