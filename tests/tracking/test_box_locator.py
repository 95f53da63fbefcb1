from __future__ import annotations

import pytest
import torch
from rendered import rendered_frame

from siamtrack.api import tracker_from
from siamtrack.boxes import iou
from siamtrack.errors import ConfigError
from siamtrack.model.siamese import Siamese
from siamtrack.model.weights import Weights, WeightsHeader, load_weights


def test_a_new_box_head_tracks_as_well_as_the_correlation_and_keeps_the_shape() -> None:
    trained = load_weights("siamfc").net
    torch.manual_seed(0)
    net = Siamese(trained.input_spec, "siamfc-box").eval()
    net.load_state_dict(trained.state_dict(), strict=False)
    tracker = tracker_from(Weights(net, WeightsHeader(model="siamfc-box"), ""), "cpu", "float32")
    assert tracker.config.scale_search == "box"
    tracker.init(*rendered_frame(0))
    for i in range(1, 6):
        result = tracker.update(rendered_frame(i)[0])
    _, truth = rendered_frame(5)
    assert iou(result.box, truth) > 0.5
    assert result.box.w / result.box.h == pytest.approx(truth[2] / truth[3], rel=0.05)


def test_a_model_without_a_box_head_says_so() -> None:
    tracker = tracker_from(load_weights("siamfc"), "cpu", "float32", scale_search="box")
    with pytest.raises(ConfigError, match="needs a model with a box head, such as siamfc-box"):
        tracker.init(*rendered_frame(0))
