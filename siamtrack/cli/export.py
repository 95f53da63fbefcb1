"""`siamtrack export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from siamtrack.cli.terminal import note


def export(
    model: Annotated[str, typer.Argument(help="A model's name, or a .safetensors, .pth or .pt file.")],
    out: Annotated[Path, typer.Option(help="Folder for the .onnx files and export.json.")],
    search_size: Annotated[
        int | None, typer.Option(min=159, max=511, help="Side of the search crops in pixels. Default: the model's own.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="The whole tracker instead: frame and box in, box, score and state out.")
    ] = False,
    float32: Annotated[
        bool, typer.Option("--float32", help="With --whole: for engines that have no 64 bits, as on WebGPU.")
    ] = False,
) -> int:
    """Write a model as ONNX files, to run it elsewhere. Any batch size; crops are BGR bytes.

    \b
    exemplar.onnx, search.onnx        what this package runs: crop to exemplar; crop and exemplar to maps; any crop size
    embed, match, kernel, box .onnx   its parts for other engines, with one search size; each is checked against PyTorch
    export.json                       files, sizes, and the tracker's constants
    init, update .onnx, README.md     with --whole: learns a target, follows it; with programs in three languages

    \b
    Examples:
      siamtrack export siamfc-lite --out exported/lite
      siamtrack export siamfc-lite --out exported/whole --whole
      siamtrack track clip.mp4 --box 120,80,64,48 --out runs/clip --backend onnx:exported/lite
    """
    from siamtrack.api import config_of
    from siamtrack.backends.exported import with_weights, write_export
    from siamtrack.backends.onnx import open_graph, package_graphs
    from siamtrack.config import to_plain
    from siamtrack.model.weights import load_weights

    if float32 and not whole:
        raise ValueError("--float32 is for --whole: networks are exported in 32 bits anyway")
    weights = load_weights(model)
    overrides: dict[str, Any] = {"search_sizes": [], "search_size": search_size} if search_size else {}
    config = config_of(weights, **overrides)
    if whole:
        from siamtrack.system import make_folder, write_folder
        from siamtrack.whole.folder import whole_files

        files = whole_files(weights, config, "float32" if float32 else "float64")
        make_folder(out)
        write_folder(out, files)
        typer.echo(f"{out}: {_sizes(files)}")
        return 0
    net = weights.net  # without PyTorch the command ends here, and says what to install
    from siamtrack.model.export import export_parts, largest_differences

    parts = export_parts(net, config.search_size)
    differences = largest_differences(
        net, parts, lambda graph, inputs: open_graph(graph, {}, 1)(inputs), search_size=config.search_size
    )
    for found in differences:
        typer.echo(f"{found.output:18s} differs from PyTorch by at most {found.relative:.1e} of its largest value")
    worst = max(differences, key=lambda found: found.relative)
    if not worst.relative < TOLERANCE:
        note(f"{worst.output} differs by {worst.relative:.1e}, more than {TOLERANCE}; nothing was written", kind="error")
        return 1
    branches = {name: with_weights(graph, state) for name, (graph, state) in package_graphs(weights).items()}
    graphs = {**branches, **parts}
    write_export(out, weights, graphs, config.search_size, "float32", to_plain(config))
    typer.echo(f"{out}: {_sizes({f'{name}.onnx': data for name, data in graphs.items()})}")
    typer.echo(f"Run it: siamtrack track ... --model {model} --backend onnx:{out}")
    return 0


def _sizes(files: dict[str, bytes]) -> str:
    return ", ".join(f"{name} {len(data) / 1e6:.1f} MB" for name, data in files.items())


TOLERANCE = 1e-3
"""Largest difference from PyTorch, as a share of an output's largest value, that passes for rounding."""
