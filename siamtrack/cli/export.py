"""`siamtrack export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.terminal import note


def export(
    model: Annotated[str, typer.Argument(help="A model's name, or a .safetensors, .pth or .pt file.")],
    out: Annotated[Path, typer.Option(help="Folder for the .onnx files and export.json.")],
    search_size: Annotated[
        int | None, typer.Option(min=159, max=511, help="Side of the search crops in pixels. Default: the model's own.")
    ] = None,
    int8: Annotated[
        Path | None,
        typer.Option(metavar="ROOT", help="Quantise the embedding to 8 bits, by what these labelled sequences show."),
    ] = None,
    crops: Annotated[int, typer.Option(min=1, help="With --int8: search crops to measure.")] = 64,
) -> int:
    """Write a model's graphs as ONNX files, and check each against PyTorch. Any batch size; crops are BGR bytes.

    \b
    Examples:
      siamtrack export siamfc-lite --out exported/lite
      siamtrack export siamfc-lite --out exported/lite8 --int8 data/train
      siamtrack track clip.mp4 --box 120,80,64,48 --out runs/clip --runtime onnx:exported/lite

    8 bits are faster on CPUs with VNNI or AMX alone, and cost accuracy: measure with siamtrack eval --runtime onnx:DIR.
    """
    from siamtrack.api import config_of
    from siamtrack.config import to_plain
    from siamtrack.eval.calibration import calibration_crops
    from siamtrack.model.export import export_graphs, largest_differences
    from siamtrack.model.weights import load_weights
    from siamtrack.tracking.runtimes.exported_folder import write_folder
    from siamtrack.tracking.runtimes.onnx import onnx_sessions
    from siamtrack.tracking.runtimes.quantise import quantised

    weights = load_weights(model)
    config = config_of(weights, search_sizes=(), **({"search_size": search_size} if search_size else {}))
    examples = calibration_crops(int8, config, crops) if int8 is not None else None
    graphs = export_graphs(weights.net, config.search_size)
    sessions = onnx_sessions(1)
    differences = largest_differences(
        weights.net, graphs, lambda graph, inputs: sessions(graph)(inputs), search_size=config.search_size
    )
    for found in differences:
        typer.echo(f"{found.output:18s} differs from PyTorch by at most {found.relative:.1e} of its largest value")
    worst = max(differences, key=lambda found: found.relative)
    if not worst.relative < TOLERANCE:
        note(f"{worst.output} differs by {worst.relative:.1e}, more than {TOLERANCE}; nothing was written", kind="error")
        return 1
    if examples is not None:
        graphs = {**graphs, "embed": quantised(graphs["embed"], examples)}
    write_folder(out, weights.net, graphs, config.search_size, "int8" if int8 else "float32", to_plain(config))
    sizes = ", ".join(f"{name}.onnx {len(data) / 1e6:.1f} MB" for name, data in graphs.items())
    typer.echo(f"{out}: {sizes}")
    typer.echo(f"Run it: siamtrack track ... --model {model} --runtime onnx:{out}")
    return 0


TOLERANCE = 1e-3
"""Largest difference from PyTorch, as a share of an output's largest value, that passes for rounding."""
