"""What training leaves beside the exported file: the weights and how to build their network again."""

from pathlib import Path
from typing import Any

import torch

from .model import DetectorModel, ModelConfig


def save(path: Path, model: DetectorModel, **facts: Any) -> None:
    torch.save({"config": model.config.to_dict(), "weights": model.state_dict(), **facts}, path)


def load(path: Path) -> DetectorModel:
    state = torch.load(path, map_location="cpu", weights_only=True)
    model = DetectorModel(ModelConfig.from_dict(state["config"]))
    model.load_state_dict(state["weights"])
    return model.eval()
