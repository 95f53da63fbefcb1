"""Some of a folder's sequences: by their names, or by a list of them in a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from siamtrack.config import nearest
from siamtrack.data.layout import find_sequences
from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError
from siamtrack.system import read_text


def subset(sequences: Iterable[Sequence], names: Iterable[str]) -> list[Sequence]:
    """The sequences of the given names, in their own order; all of them if no name is given.

    Raises:
        DataError: there is no sequence of a name; the message says which is nearest.
    """
    found = {sequence.name: sequence for sequence in sequences}
    wanted = set(names)
    for name in sorted(wanted):
        if name not in found:
            raise DataError(f"no sequence {name!r}; {nearest(name, found)}")
    return [sequence for name, sequence in found.items() if not wanted or name in wanted]


def chosen_sequences(place: str | Path, only: str = "") -> list[Sequence]:
    """The sequences that a tool's arguments name; errors as of `find_sequences`, `subset` and `read_names`.

    Args:
        place: as of `root_and_list`. only: names of sequences, parted by commas; "" for all.
    """
    root, listing = root_and_list(place)
    sequences = subset(find_sequences(root), read_names(listing) if listing else ())
    return subset(sequences, filter(None, only.split(",")))


def root_and_list(place: str | Path) -> tuple[Path, Path | None]:
    """`ROOT@LIST` as a folder of sequences and a file with the names of some; a folder alone is all of it."""
    root, at, listing = str(place).rpartition("@")
    return (Path(root), Path(listing)) if at and not Path(place).exists() else (Path(place), None)


def label_of(place: str | Path) -> str:
    """What such a set is called beside its figures: `ROOT (LIST)`."""
    root, listing = root_and_list(place)
    return f"{root.name} ({listing.stem})" if listing else root.name


def read_names(path: Path) -> list[str]:
    """Names of sequences in a file, one a line; what follows a # is a comment.

    Raises:
        FileNotFoundError, ValueError: there is no such file, or no name in it. DataError: it is no text.
    """
    try:
        names = [line.partition("#")[0].strip() for line in read_text(path).splitlines()]
    except FileNotFoundError as error:
        raise FileNotFoundError(f"subset file {path} not found; it names one sequence a line") from error
    if not any(names):
        raise ValueError(f"{path} names no sequence; write one name a line")
    return [name for name in names if name]
