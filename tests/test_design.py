"""The design system's colors keep apart and can be read, in both themes and for color-blind sight."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

CSS = (Path(__file__).resolve().parent.parent / "static" / "css" / "app.css").read_text(encoding="utf-8")
TOKENS = {
    name: {"light": light, "dark": dark}
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", CSS)
}
PALETTE = re.findall(r"\.c\d+ \{ --c: (#\w{6}); \}", CSS)
GROUNDS = ("ground", "surface", "raised", "hover")

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(color: str) -> np.ndarray:
    value = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Ottosson 2020: distances in this space are about those the eye sees; 0.02 is just noticeable."""
    to_cones = np.array([[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]])
    to_lab = np.array([[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]])
    return to_lab @ np.cbrt(np.clip(to_cones @ rgb, 0, None))


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    low, high = sorted(float(linear(color) @ weights) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_of_the_twenty_colors_stay_apart(sight: str) -> None:
    assert len(PALETTE) == 20
    seen = [oklab(np.clip(SIGHT[sight] @ linear(color), 0, 1)) for color in PALETTE]
    closest = min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2))
    assert closest > 0.06


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_passes_aa_on_every_ground(theme: str) -> None:
    pairs = [
        (ink, ground)
        for ink in ("text", "muted", "accent", "success", "warning", "danger", "info", "audit")
        for ground in GROUNDS
    ]
    pairs += [(ink, f"{ink}-soft") for ink in ("success", "warning", "danger", "info")]
    pairs += [("accent-strong", "accent-soft"), ("on-accent", "accent"), ("on-danger", "danger"), ("muted", "sunken")]
    ratios = {pair: contrast(TOKENS[pair[0]][theme], TOKENS[pair[1]][theme]) for pair in pairs}
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_edges_of_controls_are_seen(theme: str) -> None:
    for ground in ("ground", "surface"):
        assert contrast(TOKENS["line-strong"][theme], TOKENS[ground][theme]) >= 3
