#!/usr/bin/env python3
"""Write the measured part of a model card: header, scores of every sequence, and where the worst ones were lost.

    tools/score_sequences.py VAL siamfc-lite --json runs/val.json
    tools/model_card.py siamfc-lite runs/val.json --card docs/models/siamfc-lite.md

Everything between the two `<!-- measured -->` lines of the card is replaced; the words around it are a person's.
The picture beside it shows the overlap of the worst sequences frame by frame: not their frames, which are not ours.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from siamtrack.eval.scores import pooled
from siamtrack.model.weights import load_weights
from siamtrack.system import write_whole

MARK = "<!-- measured -->"
WORST = 3
"""Sequences in the picture."""


def main() -> None:
    """Replace the measured part of the card, and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("scores", type=Path, help="what tools/score_sequences.py wrote with --json")
    parser.add_argument("--tracker", default=None, help="name in that file; default: MODEL")
    parser.add_argument("--card", type=Path, required=True)
    args = parser.parse_args()

    rows = json.loads(args.scores.read_text())[args.tracker or args.model]
    overlaps = {name: np.array(values) for name, values in rows["overlaps"].items()}
    picture = args.card.with_suffix(".png")
    draw(overlaps, picture)
    before, _, after = args.card.read_text(encoding="utf-8").split(MARK)
    text = f"{MARK}\n{header(args.model)}\n{table(overlaps)}\n![Overlap of the worst sequences]({picture.name})\n\n{MARK}"
    write_whole(args.card, before + text + after)
    print(f"{args.card}, {picture}")


def header(model: str) -> str:
    """What the weights file says of its training."""
    weights = load_weights(model)
    training = weights.header.training
    recipe = training.get("recipe", {})
    lines = {
        "weights": f"`{model}`, sha256 `{weights.sha256[:16]}...`",
        "parameters": f"{sum(p.numel() for p in weights.net.parameters()) / 1e6:.2f} M",
        "data": f"{training.get('data')} ({training.get('split')})",
        "training": f"{training.get('steps')} steps of {recipe.get('batch_size')} views, seed {training.get('seed')}",
        "trained at commit": f"`{str(training.get('commit'))[:10]}`",
        "note": training.get("note") or "none",
    }
    if "mean_of" in training:
        lines["mean of"] = ", ".join(each["file"] for each in training["mean_of"])
    return "| | |\n|---|---|\n" + "".join(f"| {key} | {value} |\n" for key, value in lines.items())


def table(overlaps: dict[str, np.ndarray]) -> str:
    """Scores of every sequence, worst first, of all frames together, and the mean over sequences."""
    lines = ["| sequence | frames | AO | SR0.50 | SR0.75 | lost from frame |", "|---|---|---|---|---|---|"]
    for name, found in sorted(overlaps.items(), key=lambda item: item[1].mean()):
        scores = pooled([found])
        lost = lost_from(found)
        lines.append(
            f"| {name} | {scores.frames} | {scores.ao:.3f} | {scores.sr50:.3f} | {scores.sr75:.3f} | "
            f"{'' if lost is None else lost + 1} |"
        )
    scores = pooled(overlaps.values())
    lines.append(f"| **all frames** | {scores.frames} | **{scores.ao:.3f}** | {scores.sr50:.3f} | {scores.sr75:.3f} | |")
    sr50, sr75 = (np.mean([(found > least).mean() for found in overlaps.values()]) for least in (0.5, 0.75))
    lines.append(f"| **mean of sequences** | | **{scores.sequence_ao:.3f}** | {sr50:.3f} | {sr75:.3f} | |")
    return "\n".join(lines) + "\n"


def lost_from(overlaps: np.ndarray) -> int | None:
    """The frame from which on the target was never touched again; None if it was held to the end."""
    touched = np.flatnonzero(overlaps > 0)
    after = touched[-1] + 1 if len(touched) else 0
    return int(after) if after < len(overlaps) - 1 else None


def draw(overlaps: dict[str, np.ndarray], path: Path) -> None:
    """Overlap against frame number for the worst sequences."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    worst = sorted(overlaps, key=lambda name: overlaps[name].mean())[:WORST]
    figure, axes = plt.subplots(len(worst), 1, figsize=(8, 1.6 * len(worst)), sharey=True, layout="constrained", squeeze=False)
    for axis, name in zip(axes[:, 0], worst, strict=True):
        axis.fill_between(np.arange(1, len(overlaps[name]) + 1), overlaps[name], color="#0072b2", alpha=0.8, linewidth=0)
        axis.axhline(0.5, color="#666666", linewidth=0.8, linestyle="--")
        axis.set(xlim=(0, len(overlaps[name])), ylim=(0, 1), ylabel="overlap")
        axis.set_title(f"{name}: AO {overlaps[name].mean():.2f}", loc="left", fontsize=10)
    axes[-1, 0].set_xlabel("frame")
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
