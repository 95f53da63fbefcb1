"""Train on a folder of your own: videos beside their boxes.

    clips/cat.mp4   clips/cat.txt        x,y,w,h a line, a line a frame
    clips/dog.mp4   clips/dog.txt

    python examples/train_own.py clips runs/mine 200

It goes on from the weights in the package for so many steps, 32 views each, and then follows a clip with what came of it. The
same command resumes a run that was stopped; every key of a recipe is explained in `configs/train_siamfc-lite.yaml`.
"""

import subprocess
import sys
from pathlib import Path

import yaml

import siamtrack

RECIPE = {
    "sources": [{"path": "."}],
    "model": "siamfc-lite",
    "head": "detail",
    "init": "siamfc-lite",  # the weights in the package
    "frozen": ["stem", "stage1", "stage2"],  # the layers that see edges and textures stay as they are
    "frozen_norms": True,
    "batch_size": 32,
    "search_size": 191,
    "search_size_start": 175,
    "optimizer": "adamw",
    "lr": 0.0005,
    "weight_decay": 0.05,
}


def main(clips, out, steps, **changes):
    """Write the recipe, train, and track."""
    out.mkdir(parents=True, exist_ok=True)
    recipe = out / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({**RECIPE, "steps": steps, "epoch_steps": min(steps, 50), **changes}))
    train = [sys.executable, "-m", "siamtrack", "train", str(recipe), "--data", str(clips), "--out", str(out)]
    subprocess.run(train, check=True)

    clip = min(clips.glob("*.mp4"))
    box = [float(number) for number in clip.with_suffix(".txt").read_text().split("\n")[0].split(",")]
    for step in siamtrack.track(clip, box, model=out / "model.safetensors"):
        print(step.index, *(f"{value:.1f}" for value in step.result.box), step.result.state)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
