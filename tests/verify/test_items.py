from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from rendered import rendered_frame

from siamtrack.boxes import Box
from siamtrack.errors import DataError
from siamtrack.tracking.result import State, TrackResult
from siamtrack.verify.header import TowerSpec
from siamtrack.verify.items import MAX_BYTES, picture_input, read_picture, read_sequence, sequence_input, tower_input
from siamtrack.video.recorder import Recorder
from siamtrack.video.source import Frame

FINITE = st.floats(-(2.0**100), 2.0**100, width=32)
ROWS = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=5), elements=FINITE)


def write_picture(path: Path) -> Path:
    assert cv2.imwrite(str(path), cv2.resize(rendered_frame(0)[0], (64, 48)))
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif"])
def test_pictures_are_bgr(suffix: str, tmp_path: Path) -> None:
    path = write_picture(tmp_path / f"1{suffix}")
    picture = read_picture(path)
    assert (picture.shape, picture.dtype) == ((48, 64, 3), np.uint8)
    assert np.array_equal(picture, cv2.imread(str(path)))


def test_pictures_of_one_channel_and_of_16_bits_are_read_by_the_rule_of_frames(tmp_path: Path) -> None:
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    cv2.imwrite(str(tmp_path / "gray.png"), gray)
    cv2.imwrite(str(tmp_path / "deep.png"), gray.astype(np.uint16) * 257)
    for name in ("gray.png", "deep.png"):
        assert np.array_equal(read_picture(tmp_path / name), np.repeat(gray[:, :, None], 3, axis=2))


@pytest.mark.parametrize(("dtype", "most"), [(np.uint8, 255), (np.uint16, 65535)])
def test_ink_whose_form_is_in_the_alpha_alone_stays_to_be_seen(dtype: type, most: int, tmp_path: Path) -> None:
    bgra = np.zeros((1, 4, 4), dtype)  # black wherever it shows, and where it does not
    bgra[0, :, 3] = [0, most, most // 2, most]
    bgra[0, 3, 2] = most
    cv2.imwrite(str(tmp_path / "a.png"), bgra)
    assert read_picture(tmp_path / "a.png")[0].tolist() == [[255] * 3, [0] * 3, [128] * 3, [0, 0, 255]]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_cut_picture_is_refused_and_named(suffix: str, share: float, tmp_path: Path) -> None:
    path = write_picture(tmp_path / f"1{suffix}")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=rf"1{suffix} (is cut off|cannot be decoded)"):
        read_picture(path)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_of_floats_is_refused(channels: int, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.tif"), np.ones((4, 4, channels), np.float32))
    with pytest.raises(DataError, match=r"a.tif is no picture of 8 or 16 bits.*float32"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("read", [read_picture, read_sequence])
@pytest.mark.parametrize("name", ["a.png", "a.csv", "a.npy"])
def test_what_is_missing_too_large_or_no_file_is_named(read: Callable, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with pytest.raises(FileNotFoundError, match=rf"{name} not found"):
        read(path)
    path.touch()
    os.truncate(path, MAX_BYTES + 1)
    with pytest.raises(DataError, match=rf"{name} has 67108865 bytes; .* at most 67108864"):
        read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=rf"{name} is a folder"):
        read(path)
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "a\0b")


@given(
    ROWS,
    st.sampled_from([",", "\t", " ", ", ", " \t "]),
    st.sampled_from(["", "x,y\n", "# some words\n"]),
    st.sampled_from("\n\r"),
)
@settings(max_examples=40)
def test_text_gives_back_the_numbers_that_were_written(rows: np.ndarray, separator: str, header: str, end: str) -> None:
    lines = [separator.join(repr(float(value)) for value in row) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_bytes(b"\xef\xbb\xbf" + (header + "\r\n".join(lines) + end).encode())
        found = read_sequence(path)
    assert found.dtype == np.float32
    assert np.array_equal(found, rows)


@given(ROWS)
@settings(max_examples=20)
def test_npy_gives_back_the_array(rows: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.NPY"
        with path.open("wb") as stream:
            np.save(stream, rows.astype(np.float64))
        assert np.array_equal(read_sequence(path), rows)


def test_of_a_track_the_boxes_are_read(tmp_path: Path) -> None:
    boxes = [Box(1, 2, 30, 40), Box(1.5, 2.25, 30, 40)]
    with Recorder(tmp_path) as recorder:
        for i, box in enumerate(boxes):
            recorder.add(Frame(i, i / 30, np.zeros((60, 80, 3), np.uint8)), TrackResult(box, 0.5, State.TRACKING))
        recorder.finish("done")
    assert read_sequence(tmp_path / "boxes.csv").tolist() == [list(box) for box in boxes]
    text = (tmp_path / "boxes.csv").read_text()
    (tmp_path / "boxes.csv").write_text(text.replace("2.250", "lost"))
    with pytest.raises(DataError, match=r"boxes.csv, line 3: .* is not a row of numbers"):
        read_sequence(tmp_path / "boxes.csv")
    (tmp_path / "boxes.csv").write_text(text + "2,0.1,1,2\n")
    with pytest.raises(DataError, match=r"boxes.csv, line 4: 4 columns, 8 in the lines above"):
        read_sequence(tmp_path / "boxes.csv")
    (tmp_path / "boxes.csv").write_text(text.splitlines()[0])
    with pytest.raises(DataError, match="has no rows"):
        read_sequence(tmp_path / "boxes.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n1,x\n", r"a.csv, line 2: '1,x' is not a row of numbers"),
        ("1,x\n1,2\n", "line 1: '1,x' is not a row"),
        ("x,y\nz,w\n1,2\n", "line 2: 'z,w' is not a row"),
        ("1,2\n1,\n", "line 2: '1,' is not a row"),
        ("1\t2\n\t2\n", r"line 2: '\\t2'"),
        ("1\t2\t3\n1\t\t3\n", "line 2: .* is not a row"),
        ("x,y\n1,2\n1,2,3\n", "line 3: 3 columns, 2 in the lines above"),
        ("1 2\n\n1 2\n", "line 2: 1 columns, 2"),
        ("1,2\n1,nan\n", "line 2: '1,nan' has NaN or an infinite"),
        ("inf,2\n", "line 1: 'inf,2' has NaN or an infinite"),
        ("1,2\n1,-1e39\n", "line 2: '1,-1e39' has NaN or an infinite"),  # finite, but not as float32
        ("x,y\n", "has no rows"),
        ("", "has no rows"),
        ("\n \n", "has no rows"),
        ("1,2\n\xff", "is not UTF-8 text"),
    ],
)
def test_bad_rows_are_named_with_their_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=message) as caught:
        read_sequence(tmp_path / "a.csv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(3), r"shape \(3,\) of float64; a 2-D array"),
        (np.ones((1, 2, 3)), "a 2-D array"),
        (np.ones((2, 2), complex), "of complex128"),
        (np.array([["a"]]), "a 2-D array of real numbers"),
        (np.ones((0, 2)), "at least one row"),
        (np.ones((2, 0)), "at least one row"),
        (np.array([[1, 2], [np.nan, 1]]), "row 2: NaN"),
        (np.array([[1e39, 2]]), "row 1: NaN or an infinite"),
        (np.array([[object()]]), "cannot be read as .npy .*allow_pickle"),
    ],
)
def test_bad_arrays_are_refused(array: np.ndarray, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=message):
        read_sequence(tmp_path / "a.npy")


def test_what_only_calls_itself_npy_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.ones((50, 50)))
    whole = path.read_bytes()
    for data in (b"", b"1,2\n", whole[:100], whole[:1000], whole.replace(b"(50, 50)", b"(9999999999, 50)")):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"a.npy cannot be read as .npy"):
            read_sequence(path)
    with path.open("wb") as stream:
        np.savez(stream, a=np.ones((2, 2)))
    with pytest.raises(DataError, match="archive of arrays"):
        read_sequence(path)


SQUARES = TowerSpec("cnn", size=32, gray=False)
STROKES = TowerSpec("gru", features=2, length=50)


@given(st.integers(1, 90), st.integers(1, 90), st.booleans())
def test_pictures_of_any_size_become_squares(height: int, width: int, gray: bool) -> None:
    picture = np.full((height, width, 3), (10, 60, 200), np.uint8)
    found = picture_input(picture, TowerSpec("cnn", size=32, gray=gray))
    assert found.shape == (32, 32, 1 if gray else 3)
    if not gray:
        assert (found == (200, 60, 10)).all()  # BGR in, RGB out, and no border of another colour


def test_a_picture_is_not_stretched() -> None:
    tall = np.full((64, 32, 3), 255, np.uint8)
    tall[16:48, 8:24] = 0  # 32 high, 16 wide
    dark = picture_input(tall, SQUARES)[..., 0] < 128
    assert dark.any(axis=1).sum() == 16
    assert dark.any(axis=0).sum() == 8


@given(st.floats(0.01, 100), st.floats(-1e4, 1e4), st.integers(2, 200))
def test_where_and_how_large_somebody_writes_does_not_matter(scale: float, offset: float, rows: int) -> None:
    t = np.linspace(0, 3, rows)
    way = np.column_stack([t, np.sin(t)])
    found, moved = (sequence_input(item.astype(np.float32), STROKES) for item in (way, way * scale + offset))
    assert found.shape == (min(rows, 50), 2)
    # float32 of a small figure far from the origin has few digits left.
    assert np.allclose(found, moved, atol=1e-3 + 1e-6 * abs(offset) / scale)


def test_a_sequence_that_does_not_move_is_no_division_by_zero() -> None:
    assert np.array_equal(sequence_input(np.full((4, 2), 7.0, np.float32), STROKES), np.zeros((4, 2)))
    with pytest.raises(DataError, match=r"a sequence: .*\(T, 2\) are wanted .*got \(4, 3\)"):
        tower_input(np.zeros((4, 3), np.float32), STROKES)
