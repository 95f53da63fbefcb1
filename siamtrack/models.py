"""The models by name; light to import, so that a command line can name them."""

from __future__ import annotations

from typing import Literal, get_args

ModelName = Literal["siamfc", "siamfc-box", "siamfc-lite"]
MODELS: tuple[ModelName, ...] = get_args(ModelName)

HeadName = Literal["correlation", "detail"]
"""What a box head reads: the correlation alone, or what the search region shows at each place, too."""

BOX_MODELS: tuple[ModelName, ...] = ("siamfc-box", "siamfc-lite")
"""Models whose sizes come from a box head."""

DEFAULT_MODEL: ModelName = "siamfc-lite"
"""What is used where nobody says which: the most accurate and the fastest of them."""
