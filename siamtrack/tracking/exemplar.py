"""How an exemplar's embedding is made: the same 6 x 6 cells that it would have inside a search region."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from siamtrack.model.backbone import EXEMPLAR_SIZE, embedding_size
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.locator import View


def embed_exemplars(engine: Engine, config: TrackerConfig, view: View, scales: Sequence[float] = (1.0,)) -> Tensor:
    """Exemplar embeddings (K, C, 6, 6), one a scale.

    A backbone without padding gives a 127 px crop the very cells that it gives the middle of a search region, so the
    small crop will do. One with padding does not: there the whole region is embedded, and the middle cut out of it.

    Args:
        engine: runs the network.
        config: sizes of the crops.
        view: the exemplar's square.
        scales: a target grown by s looks like the exemplar cut s times tighter.
    """
    size = config.search_size if engine.padded else config.exemplar_size
    side = view.side * size / config.exemplar_size
    crops = [SearchRegion(view.center_xy, side / scale, size).extract(view.image, view.fill) for scale in scales]
    embedding = engine.embed(crops)
    cells = embedding_size(EXEMPLAR_SIZE)
    first = (embedding.shape[-1] - cells) // 2
    return embedding[..., first : first + cells, first : first + cells]
