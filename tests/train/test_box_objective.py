from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.model.heads import BoxHead
from siamtrack.train.box_objective import assign_cells, box_loss, hardest_views
from siamtrack.train.pairs import Batch


@given(st.floats(64, 160), st.floats(64, 160), st.floats(4, 120), st.floats(4, 120))
def test_cells_are_assigned_by_the_targets_box(x: float, y: float, w: float, h: float) -> None:
    labels, weight, distances = assign_cells(torch.tensor([[x, y]]), torch.tensor([[w, h]]), 13)
    assert labels.sum() >= 1
    # What is positive counts; what is inside without being positive does not; all else is background.
    assert bool((weight[labels == 1] == 1).all())
    inside = (distances > 0).all(dim=1)
    assert bool((weight[inside & (labels == 0)] == 0).all())
    assert bool((weight[~inside] == 1).all())
    # Distances of a cell to opposite sides add up to the box, and lead back to its middle.
    left, top, right, bottom = distances[0]
    assert torch.allclose(left + right, torch.full_like(left, w), atol=1e-3)
    cells = 63.5 + 8 * torch.arange(13.0)
    assert torch.allclose(cells[None, :] + (right - left) / 2, torch.full((13, 13), x), atol=1e-3)
    assert torch.allclose(cells[:, None] + (bottom - top) / 2, torch.full((13, 13), y), atol=1e-3)


def a_batch(count: int = 8, boxed: bool = True, offset: int = 6) -> tuple[Batch, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Views whose targets lie `offset` cells from the middle of the first, and the last, exemplar that fits into them."""
    torch.manual_seed(0)
    embedding = torch.randn(count, 256, 6 + 2 * offset, 6 + 2 * offset)
    middle = slice(offset, offset + 6)
    batch = Batch(
        torch.empty(0),
        torch.full((count, 2), 63.5 + 8 * offset),
        torch.full((count, 2), 60.0),
        torch.arange(count) // 2,
        torch.full((count,), boxed),
    )
    return batch, embedding, embedding[:, :, middle, middle], torch.zeros(count, count, 1 + 2 * offset, 1 + 2 * offset)


def test_a_head_that_repeats_a_right_box_has_no_loss_of_sides() -> None:
    batch, embedding, exemplar, response = a_batch()
    with torch.no_grad():
        _, parts = box_loss(BoxHead(256), embedding, exemplar, response, batch)
    # Prior and truth are 60 px; only a cell off the middle must still learn where the middle is.
    assert 0.6 < float(parts["iou"]) < 1
    middle = assign_cells(batch.center_xy, batch.size_wh, 13)[2][0, :, 6, 6]
    assert torch.equal(middle, torch.full((4,), 30.0))


def test_images_without_labels_teach_no_extent() -> None:
    batch, embedding, exemplar, response = a_batch(boxed=False)
    head = BoxHead(256)
    loss, parts = box_loss(head, embedding, exemplar, response, batch)
    loss.backward()
    assert float(parts["sides"].detach()) == float(parts["quality"].detach()) == 0
    assert float(parts["class"].detach()) > 0
    assert head.to_distances.bias.grad is not None
    assert float(head.to_distances.bias.grad.abs().max()) == 0


def test_views_of_one_instance_are_no_negatives() -> None:
    batch, embedding, exemplar, response = a_batch()
    related = Batch(batch.images, batch.center_xy, batch.size_wh, torch.zeros(8, dtype=torch.long), batch.boxed)
    with torch.no_grad():
        apart, together = (box_loss(BoxHead(256), embedding, exemplar, response, b)[1]["class"] for b in (batch, related))
    assert float(together) < float(apart)


def test_the_hardest_view_is_another_instances_highest_peak() -> None:
    instance = torch.tensor([0, 0, 1, 1, 2, 2, 2, 2])
    response = torch.zeros(4, 8, 3, 3)
    response[0, 1, 1, 1] = 9.0  # itself
    response[0, 5, 0, 2] = 5.0
    response[1, 0, 2, 2] = 1.0
    response[2, 7, 0, 0] = 9.0  # another target, of its own instance
    response[2, 3, 0, 0] = 2.0
    response[3, 4, 0, 0] = 9.0
    response[3, 2, 1, 0] = 0.5
    assert hardest_views(response, instance).tolist() == [5, 0, 3, 2]


def test_the_class_learns_more_from_the_hardest_view() -> None:
    batch, embedding, exemplar, response = a_batch()
    # The second target's exemplar finds most of itself in a view of the fourth's, and little in the next one's.
    response[2, 6] = 4.0
    with torch.no_grad():
        beside, hardest = (
            box_loss(BoxHead(256), embedding, exemplar, response, batch, negatives=way)[1]["class"]
            for way in ("next", "hardest")
        )
    assert float(hardest) > float(beside) + 0.1


def test_the_head_learns_a_shape_that_changes() -> None:
    batch, embedding, exemplar, response = a_batch(4, offset=3)
    sizes = batch.size_wh.clone()
    sizes[1::2, 0] = 90.0
    batch = Batch(batch.images, batch.center_xy, sizes, batch.instance, batch.boxed)
    torch.manual_seed(0)
    head = BoxHead(256)
    optimizer = torch.optim.Adam(head.parameters(), 3e-3)
    overlaps = []
    for _ in range(12):
        loss, parts = box_loss(head, embedding, exemplar, response, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        overlaps.append(float(parts["iou"].detach()))
    assert overlaps[-1] > overlaps[0] + 0.1
    assert overlaps[-1] == pytest.approx(max(overlaps), abs=0.1)
