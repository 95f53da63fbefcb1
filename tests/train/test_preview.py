from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from siamtrack.errors import SiamtrackError
from siamtrack.train.crops import CropStore
from siamtrack.train.preview import preview, write_preview
from siamtrack.train.recipe import Recipe, SourceConfig

RECIPE = Recipe(sources=(SourceConfig("videos"), SourceConfig("stills")), batch_size=12, search_size=159, search_size_start=159)


def test_the_sheet_shows_every_pair_with_its_boxes(stores: list[CropStore]) -> None:
    sheet = preview(RECIPE, stores)
    assert sheet.shape == (2 * (159 + 6), 4 * (2 * 159 + 6), 3)
    assert sheet.dtype == np.uint8
    drawn = {tuple(color) for color in sheet.reshape(-1, 3).tolist()}
    assert (80, 220, 80) in drawn
    assert np.array_equal(sheet, preview(RECIPE, stores))


def test_the_file_is_written_or_refused(stores: list[CropStore], tmp_path: Path) -> None:
    write_preview(tmp_path / "new/views.png", RECIPE, stores)
    assert cv2.imread(str(tmp_path / "new/views.png")).shape[1] == 4 * (2 * 159 + 6)
    with pytest.raises(SiamtrackError, match=r"ends in \.png or \.jpg"):
        write_preview(tmp_path / "views.txt", RECIPE, stores)
