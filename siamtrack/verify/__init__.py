"""Are these two the same, and which of those that I know is this?

`verifier.py` is the public class; `items.py` reads what it compares, `network.py` embeds it, `gallery.py` keeps and searches
embeddings, `reidentify.py` compares two runs of the tracker. `training.py` makes weights, with `verifier_recipe.py`,
`batches.py` and `pair_losses.py`; `metrics.py` measures them, and `header.py` is what they say of themselves.
"""
