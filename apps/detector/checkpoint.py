"""What training leaves for the next training: weights, how to build the network, where its class rows are."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .model import DetectorModel, ModelConfig

_ROWS = ("head.classify.weight", "head.classify.bias")


def save(path: Path, model: DetectorModel, **facts: Any) -> None:
    torch.save({"config": model.config.to_dict(), "weights": model.state_dict(), **facts}, path)


def load(path: Path) -> DetectorModel:
    state = torch.load(path, map_location="cpu", weights_only=True)
    model = DetectorModel(ModelConfig.from_dict(state["config"]))
    model.load_state_dict(state["weights"])
    return model.eval()


def warm_up(model: DetectorModel, path: Path) -> None:
    """Continue from a checkpoint: class rows go by class id, so a class it has not seen keeps its fresh row."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    known = {class_id: row for row, class_id in enumerate(state["config"]["class_ids"])}
    shared = [(row, known[class_id]) for row, class_id in enumerate(model.config.class_ids) if class_id in known]
    mine: dict[str, Tensor] = model.state_dict()
    for name, value in state["weights"].items():
        if name in _ROWS:
            for row, theirs in shared:
                mine[name][row] = value[theirs]
        elif name in mine and mine[name].shape == value.shape:
            mine[name].copy_(value)
