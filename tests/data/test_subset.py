from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from siamtrack.data.sequence import Sequence
from siamtrack.data.subset import chosen_sequences, label_of, subset
from siamtrack.errors import DataError


def test_names_choose_sequences() -> None:
    several = [Sequence(name, Path(name), np.ones((8, 4))) for name in ("car-1", "bike-1", "dog-1")]
    assert [s.name for s in subset(several, ["dog-1", "car-1"])] == ["car-1", "dog-1"]
    assert len(subset(several, [])) == 3
    with pytest.raises(DataError, match="no sequence 'bike-2'; did you mean 'bike-1'"):
        subset(several, ["bike-2"])


def test_a_folder_a_list_and_names_choose_sequences(tmp_path: Path) -> None:
    root = tmp_path / "clips@home"
    for name in ("a", "b", "c"):
        (root / name).mkdir(parents=True)
        cv2.imwrite(str(root / name / "00000001.jpg"), np.zeros((24, 32, 3), np.uint8))
        (root / name / "groundtruth.txt").write_text("4,4,10,10\n")
    (tmp_path / "some.txt").write_text("# chosen on\nb\n\na  # an easy one\n")

    def names(place: str | Path, only: str = "") -> list[str]:
        return [one.name for one in chosen_sequences(place, only)]

    assert names(root) == ["a", "b", "c"]
    assert names(root, "c,a") == ["a", "c"]
    assert names(f"{root}@{tmp_path / 'some.txt'}") == ["a", "b"]
    assert names(f"{root}@{tmp_path / 'some.txt'}", "b") == ["b"]
    assert [label_of(place) for place in (root, f"{root}@{tmp_path / 'some.txt'}")] == ["clips@home", "clips@home (some)"]
    with pytest.raises(DataError, match="no sequence 'c'"):
        names(f"{root}@{tmp_path / 'some.txt'}", "c")
    with pytest.raises(FileNotFoundError, match=r"none\.txt not found; it names one sequence a line"):
        names(f"{root}@{tmp_path / 'none.txt'}")
