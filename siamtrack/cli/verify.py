"""`siamtrack verify`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from siamtrack.cli import options
from siamtrack.cli.terminal import Bar

if TYPE_CHECKING:
    from siamtrack.verify.verifier import Verdict, Verifier


def verify(
    items: Annotated[list[Path], typer.Argument(help="Two items A B; with --gallery the probes; with --tracks two runs.")],
    gallery: Annotated[
        Path | None, typer.Option(help="Find the items in this folder of classes, or in a gallery file, instead.")
    ] = None,
    tracks: Annotated[
        bool, typer.Option("--tracks", help="A and B are folders of siamtrack track: did both follow the same thing?")
    ] = False,
    model: Annotated[str, typer.Option(help="verifier (objects, in the package), or a trained .safetensors.")] = "verifier",
    false_accept: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Share of different pairs that may pass for the same; sets the threshold. Default 0.01."
        ),
    ] = None,
    box_a: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="The thing in picture A; default all of it.")] = None,
    box_b: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="The thing in picture B.")] = None,
    source_a: Annotated[str | None, typer.Option(help="Video of run A, if it has moved.")] = None,
    source_b: Annotated[str | None, typer.Option(help="Video of run B, if it has moved.")] = None,
    count: Annotated[int, typer.Option(min=1, help="With --gallery: how many of the nearest classes to print.")] = 5,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE.safetensors", help="With --gallery DIR: save the enrolled gallery.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON per result.")] = False,
    device: options.Device = "auto",
) -> int:
    """Say whether two pictures show the same thing. Status 0 for the same, 1 for different.

    An item is a picture, or for a verifier of sequences a .csv, .txt or .npy of numbers.

    \b
    Examples:
      siamtrack verify a.jpg b.jpg
      siamtrack verify --gallery people/ probe.jpg --save people.safetensors
      siamtrack verify --tracks runs/monday runs/tuesday
      siamtrack train verifier --data people/ --out runs/people
      siamtrack verify a.jpg b.jpg --model runs/people/model.safetensors
    """
    from siamtrack.verify.verifier import Verifier

    if gallery is not None and tracks:
        raise ValueError("--gallery and --tracks are two different questions; give one of them")
    if gallery is None and len(items) != 2:
        raise ValueError(f"two items are compared, got {len(items)}; to find one among many, use --gallery DIR")
    verifier = Verifier(model, device, false_accept)
    if gallery is not None:
        return _identify(verifier, gallery, items, count, save, as_json)
    a, b = items
    if tracks:
        from siamtrack.verify.reidentify import compare_tracks

        found = compare_tracks(verifier, a, b, source_a, source_b)
        extra = {"frames_a": found.frames_a, "frames_b": found.frames_b}
        return _say(found.verdict, as_json, extra)
    return _say(verifier.verify(_item(verifier, a, box_a), _item(verifier, b, box_b)), as_json, {})


def _item(verifier: Verifier, path: Path, box: str | None) -> Any:
    if box is None:
        return path
    from siamtrack.boxes import check_box, parse_box
    from siamtrack.verify.items import read_picture

    picture = read_picture(path)
    return verifier.crop(picture, check_box(parse_box(box), (picture.shape[1], picture.shape[0])))


def _say(verdict: Verdict, as_json: bool, extra: dict[str, Any]) -> int:
    if as_json:
        typer.echo(json.dumps({**asdict(verdict), **extra}))
    else:
        word = "same" if verdict.same else "different"
        sign = "<=" if verdict.same else ">"
        typer.echo(
            f"{word}: distance {verdict.distance:.4f} {sign} {verdict.threshold:.4f} "
            f"(false-accept rate {verdict.false_accept:g}), score {verdict.score:.3f}"
        )
    return 0 if verdict.same else 1


def _identify(verifier: Verifier, gallery: Path, probes: list[Path], count: int, save: Path | None, as_json: bool) -> int:
    if gallery.suffix == ".safetensors":
        verifier.open_gallery(gallery)
    else:
        _enroll(verifier, gallery)
    if save is not None:
        save.parent.mkdir(parents=True, exist_ok=True)
        verifier.gallery.save(save)
    known = True
    for probe in probes:
        found = verifier.identify(probe, count)
        known = known and found[0].same
        if as_json:
            typer.echo(json.dumps({"probe": str(probe), "nearest": [asdict(item) for item in found]}))
            continue
        typer.echo(f"{probe}:")
        for rank, item in enumerate(found, 1):
            mark = "same" if item.same else ""
            typer.echo(f"  {rank}. {item.name}  distance {item.distance:.4f}  score {item.score:.3f}  {mark}".rstrip())
    return 0 if known else 1


def _enroll(verifier: Verifier, folder: Path) -> None:
    import numpy as np

    from siamtrack.data.labelled import open_classes

    data = open_classes(folder, to_learn=False)
    with Bar("enrolling", len(data.names), transient=True) as bar:
        for k, name in enumerate(data.names):
            verifier.enroll(name, [data.items[item] for item in np.flatnonzero(data.classes == k)])
            bar.advance("enrolling")
