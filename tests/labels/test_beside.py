from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from siamtrack.cli import main
from siamtrack.errors import ConfigError
from siamtrack.labels.label_forms import BESIDE_RESULTS, check_beside, write_beside


@pytest.mark.slow
def test_labels_lie_beside_the_results(
    write_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clips" / "a.mp4", frames=6)
    (tmp_path / "clips" / "a.csv").write_text("target,start,x,y,w,h,end\none,0,60,80,40,50,\ntwo,2,2,3,50,40,4\n")
    out = tmp_path / "out"
    command = ["siamtrack", "batch", str(tmp_path / "clips"), "--out", str(out), "--jobs", "1"]
    monkeypatch.setattr(sys, "argv", [*command, "--labels", "mot", "--labels", "coco", "--labels", "parquet"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    lines = [line.split(",") for line in (out / "a" / "mot.txt").read_text().splitlines()]
    assert sorted((int(line[0]), int(line[1])) for line in lines)[0] == (1, 1)
    assert len(lines) == 6 + 3
    annotations = json.loads((out / "a" / "coco.json").read_text())["annotations"]
    assert len(annotations) == len(lines)
    assert (out / "a" / "boxes.parquet").is_file()
    write_beside(out, ["mot"])  # again: the same, and no complaint
    assert len((out / "a" / "mot.txt").read_text().splitlines()) == 9


def test_a_form_that_is_none_is_named_before_anything_is_tracked() -> None:
    assert BESIDE_RESULTS == ("mot", "coco", "parquet")
    with pytest.raises(ConfigError, match="no labels 'mott'"):
        check_beside(["mott"])
