"""Which cells learn which box, also where there is nothing, too much, or too small a box."""

import pytest
import torch

from apps.detector import assignment
from apps.detector.assignment import assign
from apps.detector.losses import detection_loss, giou_xyxy, pairwise_iou_xyxy, quality_focal_loss
from apps.detector.model import anchor_points

CANVAS = (96, 64)
POINTS, STRIDES = anchor_points(CANVAS)


def learn(boxes: list[list[float]], rows: list[int], images: int = 1) -> assignment.Assigned:
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(images, len(POINTS), 3, generator=generator)
    reach = STRIDES[:, None] * 1.5
    predicted = torch.cat([POINTS - reach, POINTS + reach], 1).expand(images, -1, -1)
    truth = torch.tensor(boxes).reshape(1, -1, 4).expand(images, -1, -1)
    return assign(scores, predicted, POINTS, STRIDES, truth, torch.tensor(rows, dtype=torch.long).expand(images, -1))


def test_every_box_is_learned_by_cells_inside_it() -> None:
    boxes = [[8.0, 8.0, 40.0, 40.0], [50.0, 10.0, 90.0, 60.0]]
    assigned = learn(boxes, [0, 2])
    for box, row in zip(boxes, (0, 2), strict=True):
        mine = (assigned.firmness[0] > 0) & (assigned.boxes[0] == torch.tensor(box)).all(1)
        assert 0 < mine.sum() <= 10
        assert (assigned.rows[0][mine] == row).all()
        points = POINTS[mine]
        assert ((points >= torch.tensor(box[:2])) & (points <= torch.tensor(box[2:]))).all()


def test_a_box_between_the_cell_centers_is_still_learned() -> None:
    assigned = learn([[15.5, 15.5, 16.5, 16.5]], [1])
    assert (assigned.firmness > 0).sum() >= 1


def test_no_boxes_and_fillers_teach_background() -> None:
    assert learn([], []).firmness.sum() == 0
    assert learn([[0.0, 0.0, 0.0, 0.0]], [-1]).firmness.sum() == 0


def test_working_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = learn([[8.0, 8.0, 40.0, 40.0]], [0], images=5)
    monkeypatch.setattr(assignment, "_MAX_CELLS", 2 * len(POINTS))
    parts = learn([[8.0, 8.0, 40.0, 40.0]], [0], images=5)
    assert torch.equal(whole.firmness, parts.firmness)
    assert torch.equal(whole.boxes, parts.boxes)


def test_giou_and_iou_at_known_points() -> None:
    one, far = torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[4.0, 0.0, 6.0, 2.0]])
    assert giou_xyxy(one, one).item() == pytest.approx(1)
    assert giou_xyxy(one, far).item() == pytest.approx(-1 / 3)
    half = torch.tensor([[1.0, 0.0, 3.0, 2.0]])
    assert pairwise_iou_xyxy(one[None], half[None]).item() == pytest.approx(1 / 3)


def test_the_loss_of_an_empty_batch_is_finite_and_pulls_scores_down() -> None:
    logits = torch.zeros(1, len(POINTS), 3, requires_grad=True)
    assigned = learn([], [])
    boxes = torch.zeros(1, len(POINTS), 4)
    loss = detection_loss(logits, boxes, assigned.boxes, assigned.rows, assigned.firmness)
    loss.backward()
    assert torch.isfinite(loss)
    assert (logits.grad > 0).all()


def test_quality_focal_loss_is_least_at_its_target() -> None:
    quality = torch.tensor([0.7])
    losses = [quality_focal_loss(torch.logit(torch.tensor([p])), quality).item() for p in (0.5, 0.7, 0.9)]
    assert losses[1] == pytest.approx(0, abs=1e-6)
    assert min(losses) == losses[1]
