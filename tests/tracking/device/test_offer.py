from __future__ import annotations

import numpy as np
import pytest
import torch

from siamtrack.errors import ConfigError
from siamtrack.tracking.device.offer import OfferReader, best_offers
from siamtrack.tracking.offer import best_offer
from siamtrack.tracking.peak import hann_window
from siamtrack.tracking.runtimes.runtime import BoxResponse
from siamtrack.tracking.settings import TrackerConfig

WINDOW = hann_window(17)
COUNT = 200


def random_maps(seed: int, spread: float) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    """Logits that deviate by `spread`, distances of 5 to 90 px, and present sizes."""
    rng = np.random.default_rng(seed)
    maps = [rng.normal(0, spread, (COUNT, 17, 17)) for _ in range(3)] + [rng.uniform(5, 90, (COUNT, 4, 17, 17))]
    return tuple(torch.from_numpy(each.astype(np.float32)) for each in maps), torch.from_numpy(rng.uniform(10, 120, (COUNT, 2)))


@pytest.mark.parametrize("reach", [0, 1, 2])
@pytest.mark.parametrize("spread", [0.5, 6.0, 40.0])
@pytest.mark.parametrize(("influence", "penalty"), [(0.3, 0.1), (0.0, 0.0)])
def test_offers_are_those_of_the_numpy_twin(reach: int, spread: float, influence: float, penalty: float) -> None:
    maps, sizes = random_maps(int(10 * spread) + reach, spread)
    found = best_offers(maps, sizes, torch.from_numpy(WINDOW), torch.full((COUNT,), influence), penalty, reach).numpy()
    for i in range(COUNT):
        response = BoxResponse(*(each[i].numpy() for each in maps))
        offer = best_offer(response, tuple(sizes[i].tolist()), WINDOW, influence, penalty, reach)
        assert found[i] == pytest.approx(offer, rel=1e-5, abs=1e-5)


def test_a_flat_response_is_no_division_by_nothing() -> None:
    flat = tuple(torch.zeros(1, 17, 17) for _ in range(3))
    (found,) = best_offers(
        (*flat, torch.full((1, 4, 17, 17), 20.0)), torch.full((1, 2), 40.0), torch.from_numpy(WINDOW), torch.zeros(1), 0
    )
    offer = best_offer(
        BoxResponse(*(each[0].numpy() for each in flat), np.full((4, 17, 17), 20, np.float32)), (40, 40), WINDOW, 0, 0
    )
    assert found.tolist() == pytest.approx(list(offer), abs=1e-5)


def test_a_network_without_a_box_head_says_so() -> None:
    with pytest.raises(ConfigError, match="needs a model with a box head, such as siamfc-box"):
        OfferReader({}, TrackerConfig(scale_search="box"), torch.device("cpu"))
