from __future__ import annotations

import numpy as np
import pytest
import torch

from siamtrack.errors import ConfigError
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.device.offer import Maps, OfferReader, choose_cells, offers_at, other_cells
from siamtrack.tracking.offer import choose_cell, offer_at
from siamtrack.tracking.other_peaks import COUNT as PEAKS
from siamtrack.tracking.other_peaks import other_peaks
from siamtrack.tracking.peak import hann_window
from siamtrack.tracking.runtimes.runtime import BoxResponse

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
def test_cells_and_offers_are_the_hosts(reach: int, spread: float, influence: float, penalty: float) -> None:
    logits, sizes = random_maps(int(10 * spread) + reach, spread)
    maps = Maps.of(*logits, sizes, penalty)
    chosen = choose_cells(maps, torch.from_numpy(WINDOW), torch.full((COUNT,), influence))
    cells = torch.stack([chosen, torch.arange(COUNT) % 17**2], 1)
    found = offers_at(maps, cells, reach).numpy()
    for i in range(COUNT):
        response, size_wh = BoxResponse(*(each[i].numpy() for each in logits)), tuple(sizes[i].tolist())
        assert divmod(int(chosen[i]), 17) == choose_cell(response, size_wh, WINDOW, influence, penalty)
        for j in range(2):
            offer = offer_at(response, size_wh, divmod(int(cells[i, j]), 17), penalty, reach)
            assert found[i, j] == pytest.approx(offer, rel=1e-5, abs=1e-5)


def test_other_peaks_are_the_hosts() -> None:
    rng = np.random.default_rng(0)
    response = rng.normal(0, 3, (COUNT, 17, 17)).astype(np.float32)
    # The highest cell has few rivals of note, a middling one many, and one below the mean none at all.
    chosen = np.array([np.argsort(each, axis=None)[rank] for each, rank in zip(response, [-1, -30, 20, -1] * 50, strict=True)])
    cells, heights = other_cells(torch.from_numpy(response).double(), torch.from_numpy(chosen))
    counts = set()
    for i in range(COUNT):
        expected = other_peaks(response[i], *divmod(int(chosen[i]), 17))
        pairs = zip(cells[i].tolist(), heights[i].tolist(), strict=True)
        found = [(*divmod(cell, 17), height) for cell, height in pairs if height > 0]
        assert [peak[:2] for peak in found] == [peak[:2] for peak in expected]
        assert [peak[2] for peak in found] == pytest.approx([peak.height for peak in expected])
        counts.add(len(expected))
    assert {0, PEAKS} <= counts


def test_a_flat_response_is_no_division_by_nothing() -> None:
    flat = tuple(torch.zeros(1, 17, 17) for _ in range(3))
    maps = Maps.of(*flat, torch.full((1, 4, 17, 17), 20.0), torch.full((1, 2), 40.0), 0)
    cells = choose_cells(maps, torch.from_numpy(WINDOW), torch.zeros(1))
    host = BoxResponse(*(each[0].numpy() for each in flat), np.full((4, 17, 17), 20, np.float32))
    cell = choose_cell(host, (40, 40), WINDOW, 0, 0)
    assert divmod(int(cells), 17) == cell
    assert offers_at(maps, cells[:, None])[0, 0].tolist() == pytest.approx(list(offer_at(host, (40, 40), cell, 0)), abs=1e-5)
    assert other_cells(maps.response, cells)[1].tolist() == [[0.0] * PEAKS]


def test_a_network_without_a_box_head_says_so() -> None:
    with pytest.raises(ConfigError, match="needs a model with a box head, such as siamfc-box"):
        OfferReader({}, TrackerConfig(scale_search="box"), torch.device("cpu"))
