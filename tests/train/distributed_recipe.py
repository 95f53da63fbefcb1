"""The recipe that one and two processes train in test_distributed.py."""

from siamtrack.train.recipe import Recipe, SourceConfig

# Plain SGD: Adam divides by the gradient's size, which turns rounding of a gradient near zero into a whole step.
RECIPE = Recipe(
    sources=(SourceConfig("videos", 2), SourceConfig("stills", 1)),
    model="siamfc-box",
    steps=4,
    epoch_steps=2,
    batch_size=8,
    search_size=159,
    search_size_start=159,
    lr=1e-3,
    ema=0.9,
    precision="float32",  # in which the order of sums matters least
    softmax_weight=1.0,
)
