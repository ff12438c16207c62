"""The moving average of a model's weights, which is what gets exported."""

import copy

import torch
from torch import Tensor

from .model import DetectorModel

_DECAY = 0.998
_WARM_UP = 10


class MovingAverage:
    """Follows a model: closely at first, then with a memory of some 500 steps, or of a tenth of a short training."""

    def __init__(self, model: DetectorModel, steps: int) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = min(_DECAY, 1 - 10 / max(steps, 20))
        self.step = 0
        self._mine, self._theirs = _floats(self.model), _floats(model)

    @torch.no_grad()
    def update(self) -> None:
        self.step += 1
        decay = min(self.decay, self.step / (self.step + _WARM_UP))
        torch._foreach_lerp_(self._mine, self._theirs, 1 - decay)


def _floats(model: DetectorModel) -> list[Tensor]:
    return [value for value in model.state_dict().values() if value.is_floating_point()]
