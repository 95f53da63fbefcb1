from __future__ import annotations

import torch

from siamtrack.model.siamese import Siamese
from siamtrack.train.objective import cut_exemplars, siamese_loss
from siamtrack.train.pairs import Batch
from siamtrack.train.recipe import Recipe


def test_exemplars_are_cut_where_the_target_is() -> None:
    embedding = torch.arange(2 * 1 * 18 * 18, dtype=torch.float32).reshape(2, 1, 18, 18)
    exemplar, offset = cut_exemplars(embedding, torch.tensor([[111.5, 111.5], [127.5, 79.5]]))
    assert offset.tolist() == [[6, 6], [8, 2]]  # x before y
    assert torch.equal(exemplar[0], embedding[0, :, 6:12, 6:12])
    assert torch.equal(exemplar[1], embedding[1, :, 2:8, 8:14])


def test_the_loss_is_lowest_where_the_labels_say() -> None:
    # Embeddings with one bright cell each, at the target: the response peaks exactly where the label is.
    torch.manual_seed(0)
    net = Siamese()
    centers = torch.tensor([[111.5, 111.5], [127.5, 95.5], [111.5, 111.5], [95.5, 119.5]])
    embedding = torch.zeros(4, 256, 18, 18)
    for i, (x, y) in enumerate(((6, 6), (8, 4), (6, 6), (4, 7))):
        embedding[i, i // 2, y + 2, x + 2] = 100.0
    instance, boxed = torch.tensor([0, 0, 1, 1]), torch.ones(4, dtype=torch.bool)
    batch = Batch(torch.empty(0), centers, torch.full((4, 2), 60.0), instance, boxed)
    recipe = Recipe(softmax_weight=1.0)
    loss, parts = siamese_loss(net, embedding, batch, recipe)
    assert parts["hit"] == 1.0
    moved, _ = siamese_loss(net, embedding.roll(5, dims=-1)[[0, 1, 2, 3]].roll(1, dims=0), batch, recipe)
    assert loss < moved
