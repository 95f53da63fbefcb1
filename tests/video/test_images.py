from __future__ import annotations

import json
import os
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import Command, refused, rows_of
from rendered import rendered_frame

from siamtrack.errors import SourceError
from siamtrack.video import pages as pages_module
from siamtrack.video.image_file import decode_image
from siamtrack.video.images import ImageSource
from siamtrack.video.source import Frame, open_source
from siamtrack.video.stream import VideoSource

BOX = "60,80,40,50"


def picture(level: int, dtype: type = np.uint8) -> np.ndarray:
    return np.full((20, 30, 3), level, dtype)


def frames_of(path: Path | str, start: int = 0) -> list[Frame]:
    with open_source(path) as source:
        return list(source.read(start))


def levels(path: Path | str, start: int = 0) -> list[int]:
    return [int(frame.image[5, 5, 0]) for frame in frames_of(path, start)]


def animate(path: Path, pictures: Sequence[np.ndarray], durations_ms: Sequence[int]) -> Path:
    animation = cv2.Animation()
    animation.frames, animation.durations = list(pictures), np.array(durations_ms, np.int32)
    # Lossless, or a quality that is as good.
    assert cv2.imwriteanimation(str(path), animation, [cv2.IMWRITE_WEBP_QUALITY, 101] if path.suffix == ".webp" else [])
    return path


def stack(path: Path, pictures: Sequence[np.ndarray], kinds: Sequence[int] = (), big: bool = False) -> Path:
    """An uncompressed TIFF with a page a picture; `kinds` are the pages' NewSubfileType."""
    entry, offsets = ("<HHQQ", "<Q") if big else ("<HHII", "<I")
    data = bytearray(b"II+\0\x08\0\0\0" if big else b"II*\0")
    link = len(data)
    data += bytes(8 if big else 4)
    for number, image in enumerate(pictures):
        kind = kinds[number] if kinds else 0
        height, width = image.shape[:2]
        depth, channels = 8 * image.itemsize, image.shape[2] if image.ndim == 3 else 1
        strip = len(data)
        data += np.ascontiguousarray(image[..., ::-1] if channels == 3 else image).tobytes()
        bits = len(data)
        data += struct.pack("<3H", depth, depth, depth)
        bits_value = bits if channels == 3 and not big else depth | depth << 16 | depth << 32 if channels == 3 else depth
        tags = [
            (254, 4, 1, kind), (256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, bits_value), (259, 3, 1, 1),
            (262, 3, 1, 2 if channels == 3 else 1), (273, 4, 1, strip), (277, 3, 1, channels), (278, 4, 1, height),
            (279, 4, 1, image.nbytes),
        ]  # fmt: skip
        struct.pack_into(offsets, data, link, len(data))
        data += struct.pack("<Q" if big else "<H", len(tags)) + b"".join(struct.pack(entry, *tag) for tag in tags)
        link = len(data)
        data += bytes(8 if big else 4)
    path.write_bytes(bytes(data))
    return path


def test_image_folders_and_globs_come_in_natural_order(tmp_path: Path) -> None:
    for i in (10, 9, 1):
        cv2.imwrite(str(tmp_path / f"frame{i}.png"), np.full((20, 30, 4 if i == 9 else 3), i, np.uint8))
    (tmp_path / "notes.txt").write_text("not a frame")
    for source in (tmp_path, tmp_path / "*.png"):
        frames = frames_of(source)
        assert [frame.image[5, 5].tolist() for frame in frames] == [[1] * 3, [9] * 3, [10] * 3]
        assert [frame.time_s for frame in frames] == pytest.approx([0, 1 / 30, 2 / 30])
    assert levels(tmp_path / "frame9.png") == [9]


# ---- Files of several pictures


@pytest.mark.parametrize("big", [False, True])
def test_all_pages_of_a_stack_are_frames(tmp_path: Path, big: bool) -> None:
    path = stack(tmp_path / "stack.tif", [picture(10 * i) for i in range(12)], big=big)
    with open_source(path) as source:
        assert isinstance(source, ImageSource)
        assert source.frame_count == 12
    assert levels(path) == [10 * i for i in range(12)]
    late = frames_of(path, 9)
    assert [frame.index for frame in late] == [9, 10, 11]
    assert [frame.time_s for frame in late] == pytest.approx([0.3, 1 / 3, 11 / 30])
    with open_source(path) as source, pytest.raises(SourceError, match="holds 12 images; frame 12"):
        next(source.read(12))


def test_pages_that_are_copies_or_masks_of_others_are_none(tmp_path: Path) -> None:
    pages = [picture(10), picture(99), picture(20), picture(98), picture(30)]
    assert levels(stack(tmp_path / "p.tif", pages, [0, 1, 0, 4, 2])) == [10, 20, 30]
    assert levels(stack(tmp_path / "thumbnail.tif", pages[:2], [1, 0])) == [99]
    # Beside others, too, such a file is one picture.
    folder = tmp_path / "f"
    folder.mkdir()
    stack(folder / "1.tif", pages[:2], [0, 1])
    stack(folder / "2.tif", pages[2:4], [0, 1])
    assert levels(folder) == [10, 20]


def test_pages_are_decoded_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiff = stack(tmp_path / "stack.tif", [picture(10 * i) for i in range(9)])
    webp = animate(tmp_path / "a.webp", [picture(10 * i) for i in range(9)], [40] * 9)
    most: list[int] = []
    for name in ("imreadmulti", "imreadanimation"):
        read = getattr(cv2, name)
        monkeypatch.setattr(
            cv2, name, lambda path, first, count, read=read, **more: most.append(count) or read(path, first, count, **more)
        )
    monkeypatch.setattr(pages_module, "_CHUNK_BYTES", 3 * picture(0).nbytes)
    assert levels(tiff) == [10 * i for i in range(9)]
    assert max(most) == 3
    assert levels(webp, 4) == pytest.approx([10 * i for i in range(4, 9)], abs=1)


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_all_frames_of_an_animation_come_at_their_own_times(tmp_path: Path, suffix: str) -> None:
    path = animate(tmp_path / f"a{suffix}", [picture(20 * i + 5) for i in range(8)], [40, 40, 100, 200, 40, 40, 500, 40])
    for start in (0, 3):
        frames = frames_of(path, start)
        assert [frame.index for frame in frames] == list(range(start, 8))
        near = 42 if suffix == ".gif" else 2  # OpenCV writes 256 fixed colours
        assert [int(frame.image[5, 5, 0]) for frame in frames] == pytest.approx([20 * i + 5 for i in range(start, 8)], abs=near)
        expected = np.cumsum([0, 40, 40, 100, 200, 40, 40, 500])[start:] / 1000
        assert [frame.time_s for frame in frames] == pytest.approx(expected, abs=2e-3)
        assert frames[-1].duration_s == pytest.approx(0.04, abs=2e-3)
    # By what it holds, not by its name; and alone in a folder as well.
    (tmp_path / "f").mkdir()
    path.rename(tmp_path / "f/frame.tif")
    assert len(frames_of(tmp_path / "f")) == len(frames_of(tmp_path / "f/frame.tif")) == 8
    assert isinstance(open_source(tmp_path / "f"), ImageSource if suffix == ".webp" else VideoSource)


def test_one_picture_in_such_a_form_is_one_frame(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.tif"), picture(7))
    cv2.imwrite(str(tmp_path / "b.webp"), picture(7), [cv2.IMWRITE_WEBP_QUALITY, 101])
    animate(tmp_path / "c.webp", [picture(7)], [40])
    cv2.imwrite(str(tmp_path / "d.gif"), picture(7))
    for name in ("a.tif", "b.webp", "c.webp", "d.gif"):
        assert len(levels(tmp_path / name)) == 1


@pytest.mark.parametrize("suffix", [".tif", ".webp", ".png", ".gif"])
def test_among_others_a_file_of_several_pictures_is_refused(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    pictures = [rendered_frame(i)[0] for i in range(3)]
    for i in (1, 2):
        cv2.imwrite(str(folder / f"{i}{suffix}"), pictures[i])
    three = folder / f"3{suffix}"
    if suffix == ".tif":
        stack(three, pictures)
    else:
        animate(three, pictures, [40] * 3)
    seen: list[int] = []
    with open_source(folder / f"*{suffix}") as source, pytest.raises(SourceError, match=rf"3{suffix} holds 3 pictures"):
        seen.extend(frame.index for frame in source.read())
    assert seen == [0, 1]


@pytest.mark.parametrize("lost", [1, 5, 2000])  # its end mark, a part of the last picture, pictures
def test_a_cut_gif_keeps_the_pictures_before(tmp_path: Path, lost: int) -> None:
    path = animate(tmp_path / "a.gif", [rendered_frame(i)[0] for i in range(4)], [40] * 4)
    whole = path.read_bytes()
    path.write_bytes(whole[:-lost])
    seen: list[int] = []
    with open_source(path) as source, pytest.raises(SourceError, match=r"a\.gif breaks off after"):
        seen.extend(frame.index for frame in source.read())
    assert seen == list(range(len(seen)))
    assert len(seen) >= 3
    for end in (b";\0more", b"\0", b"\0\0;"):  # behind the end mark; zeros in its place, or before it
        path.write_bytes(whole[:-1] + end)
        assert len(frames_of(path)) == 4, end


def test_an_animation_that_goes_on_behind_damage_is_not_taken_for_whole(tmp_path: Path) -> None:
    pictures = [rendered_frame(i)[0] for i in range(4)]
    gif = animate(tmp_path / "a.gif", pictures, [40] * 4)
    control = b"!\xf9\4"  # before each picture
    first, second, *more = gif.read_bytes().split(control)
    gif.write_bytes(control.join([first, second + b"\0AB", *more]))  # FFmpeg reads no further
    png = animate(tmp_path / "a.png", pictures, [40] * 4)
    at = png.read_bytes().rindex(b"fcTL") - 4  # between two pictures
    png.write_bytes(png.read_bytes()[:at])
    for path, kept in ((gif, 1), (png, 3)):
        seen: list[int] = []
        with open_source(path) as source, pytest.raises(SourceError, match=f"a{path.suffix} breaks off after {kept} frames"):
            seen.extend(frame.index for frame in source.read())
        assert seen == list(range(kept))


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_a_cut_stack_keeps_the_pages_before(tmp_path: Path, share: float) -> None:
    path = stack(tmp_path / "s.tif", [picture(10 * i) for i in range(6)])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    seen: list[int] = []
    with open_source(path) as source, pytest.raises(SourceError, match=r"s\.tif (breaks off after|cannot be decoded)"):
        seen.extend(int(frame.image[0, 0, 0]) for frame in source.read())
    assert seen == [10 * i for i in range(len(seen))]
    assert len(seen) >= int(5 * share)


@pytest.mark.parametrize("lost", [1, 2000, 4000])  # a part of the last picture, pictures
def test_a_cut_animation_keeps_the_pictures_before(tmp_path: Path, lost: int) -> None:
    path = animate(tmp_path / "a.webp", [rendered_frame(i)[0] for i in range(6)], [40] * 6)
    expected = [frame.image for frame in frames_of(path)]
    whole = path.read_bytes()
    path.write_bytes(whole[:-lost])
    seen: list[np.ndarray] = []
    with open_source(path) as source, pytest.raises(SourceError, match=r"a\.webp breaks off after"):
        seen.extend(frame.image for frame in source.read())
    assert 1 <= len(seen) < 6
    assert all((image == other).all() for image, other in zip(seen, expected, strict=False))
    path.write_bytes(whole[:300])
    with open_source(path) as source, pytest.raises(SourceError, match=r"a\.webp cannot be "):
        list(source.read())


# ---- 16 bits


@pytest.mark.parametrize(("top", "bits"), [(1023, 10), (4095, 12), (3000, 12), (16383, 14), (65535, 16), (200, 8)])
def test_of_16_bits_those_count_that_the_first_image_uses(tmp_path: Path, top: int, bits: int) -> None:
    ramp = np.linspace(0, top, 600).astype(np.uint16).reshape(20, 30)
    half = ramp // 2
    for i, image in enumerate((ramp, half)):
        cv2.imwrite(str(tmp_path / f"{i}.png"), image)
    stack(tmp_path / "s.tif", [ramp, half])
    expected = [image >> (bits - 8) for image in (ramp, half)]
    for source in (tmp_path / "*.png", tmp_path / "s.tif"):
        with open_source(str(source)) as opened:
            found = list(opened.read())
        for frame, image in zip(found, expected, strict=True):
            assert (frame.image == image[..., None]).all()
        assert [f"{bits} of 16 bits" in note for note in opened.notes] == [True] * (bits < 16)
        # The same wherever reading starts.
        assert (frames_of(str(source), 1)[0].image == expected[1][..., None]).all()


def test_later_images_that_are_brighter_are_clipped_and_told(tmp_path: Path) -> None:
    for i, level in enumerate((900, 1000, 4000, 70)):
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture(level, np.uint16))
    cv2.imwrite(str(tmp_path / "4.png"), picture(9))
    with open_source(tmp_path) as source:
        assert [int(frame.image[0, 0, 0]) for frame in source.read()] == [225, 250, 255, 17, 9]
    assert "1 images are brighter" in source.notes[1]


def test_a_track_tells_the_range_once(here: Command, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    for i in range(4):
        cv2.imwrite(str(folder / f"{i}.png"), rendered_frame(i)[0].astype(np.uint16) * 16)
    plain = tmp_path / "plain"
    plain.mkdir()
    for i in range(4):
        cv2.imwrite(str(plain / f"{i}.png"), rendered_frame(i)[0])
    result = here("track", folder, "--box", BOX, "--out", tmp_path / "o")
    assert result.returncode == 0
    assert "12 of 16 bits" in json.loads((tmp_path / "o/run.json").read_text())["notes"][0]
    assert here("track", plain, "--box", BOX, "--out", tmp_path / "p").returncode == 0
    assert (tmp_path / "o/boxes.csv").read_text() == (tmp_path / "p/boxes.csv").read_text()


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_other_depths_are_refused(here: Command, tmp_path: Path, dtype: type) -> None:
    cv2.imwrite(str(tmp_path / "a.tif"), np.zeros((20, 30), dtype))
    refused(here("track", tmp_path / "a.tif", "--box", "2,2,9,9", "--out", tmp_path / "o"), "a.tif cannot be")


def test_16_bits_with_a_sign_are_read_where_no_value_is_negative(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.tif"), np.full((20, 30), 1600, np.int16))
    assert levels(tmp_path / "a.tif") == [100]
    cv2.imwrite(str(tmp_path / "a.tif"), np.full((20, 30), -1, np.int16))
    with pytest.raises(SourceError, match="int16"):
        levels(tmp_path / "a.tif")


# ---- Damaged images


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def padded(path: Path, share: float) -> None:
    size = path.stat().st_size
    cut(path, share)
    path.write_bytes(path.read_bytes().ljust(size, b"\0"))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
@pytest.mark.parametrize(
    ("suffix", "damage"),
    [*((suffix, cut) for suffix in (".jpg", ".JPEG", ".png", ".webp", ".bmp", ".tif")), (".jpg", padded), (".png", padded)],
)
def test_a_damaged_image_is_left_out_and_told(
    tmp_path: Path, suffix: str, share: float, damage: Callable[[Path, float], None]
) -> None:
    for i in range(4):
        cv2.imwrite(str(tmp_path / f"{i}{suffix}"), rendered_frame(i)[0])
    whole = (tmp_path / f"3{suffix}").read_bytes()
    damage(tmp_path / f"1{suffix}", share)
    with open_source(tmp_path) as source:
        assert [(frame.index, frame.time_s) for frame in source.read()] == [(i, pytest.approx(i / 30)) for i in (0, 2, 3)]
        assert source.counts.skipped == 1
        (note,) = source.notes
        assert re.search(rf"left out, the others keep their numbers: 1 \(.*1{suffix} cannot be read: it ", note)
        assert [frame.index for frame in source.read_backward(3)] == [3, 2, 0]
    # Where nothing comes behind it, or reading begins, it is an error.
    damage(tmp_path / f"3{suffix}", share)
    for start, before in ((0, [0, 2]), (1, [])):
        seen: list[int] = []
        with open_source(tmp_path) as source, pytest.raises(SourceError, match=rf"[13]{suffix} cannot be read: it "):
            seen.extend(frame.index for frame in source.read(start))
        assert seen == before
    damage(tmp_path / f"0{suffix}", share)
    (tmp_path / f"3{suffix}").write_bytes(whole)
    seen = []
    with open_source(tmp_path) as source, pytest.raises(SourceError, match=rf"[01]{suffix} cannot be read: it "):
        seen.extend(frame.index for frame in source.read_backward(3))
    assert seen == [3, 2]


def test_a_cut_photo_ends_the_run_and_frames_before_are_kept(here: Command, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    for i in range(3):
        cv2.imwrite(str(folder / f"{i}.jpg"), rendered_frame(i)[0])
    cut(folder / "2.jpg", 0.6)
    result = here("track", folder, "--box", BOX, "--out", tmp_path / "o")
    refused(result, "2.jpg cannot be read", "is cut off", "2 frames are kept")
    assert len(rows_of(tmp_path / "o/boxes.csv")) == 2
    assert "fps" not in result.stdout  # nothing was measured
    (folder / "1.jpg").unlink()
    for target, why in (("gone.jpg", "not found"), ("1.jpg", "symbolic links")):
        (folder / "1.jpg").symlink_to(target)
        result = here("track", folder, "--box", BOX, "--out", tmp_path / "o")
        refused(result, why, "of 1 frame are kept")
        assert len(rows_of(tmp_path / "o/boxes.csv")) == 1
        (folder / "1.jpg").unlink()


def test_an_image_larger_than_opencv_takes_is_one_line(here: Command, tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(data)
    refused(here("track", tmp_path, "--box", BOX, "--out", tmp_path / "o"), "a.png", "larger than OpenCV takes")
    wide = stack(tmp_path / "b.tif", [picture(0)] * 2)
    wide.write_bytes(wide.read_bytes().replace(struct.pack("<HHII", 256, 4, 1, 30), struct.pack("<HHII", 256, 4, 1, 2**21)))
    refused(here("track", wide, "--box", BOX, "--out", tmp_path / "o"), "b.tif", "larger than OpenCV takes")


def test_a_wrong_checksum_matters_in_chunks_that_are_needed() -> None:
    data = bytearray(cv2.imencode(".png", picture(7))[1].tobytes())
    text = struct.pack(">I", 4) + b"tEXt" + b"a\0bc" + bytes(4)
    assert decode_image(bytes(data[:33] + text + data[33:]))[0, 0, 0] == 7
    data[45] ^= 1
    with pytest.raises(ValueError, match="damaged"):
        decode_image(bytes(data))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_photos_come_upright(tmp_path: Path, orientation: int) -> None:
    image = np.zeros((32, 48, 3), np.uint8)
    image[:16] = 255
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIIH", 1, 274, 3, 1, orientation, 0) + bytes(4)
    (tmp_path / "a.jpg").write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    (frame,) = frames_of(tmp_path)
    turned = np.rot90(image, {1: 0, 3: 2, 6: 3, 8: 1}[orientation])
    assert frame.image.shape == turned.shape
    assert np.abs(frame.image.astype(int) - turned).mean() < 3


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
@pytest.mark.parametrize("name", [b"a\xff.png", b"stack\xfe.tif", b"anim\xe9.webp"])
def test_images_whose_names_are_not_utf8_are_read(tmp_path: Path, name: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    ordinary = tmp_path / f"x{path.suffix}"
    if path.suffix == ".tif":
        stack(ordinary, [picture(10), picture(20)])
    elif path.suffix == ".webp":
        animate(ordinary, [picture(10), picture(20)], [40, 40])
    else:
        cv2.imwrite(str(ordinary), picture(10))
    expected = levels(ordinary)
    ordinary.rename(path)
    assert levels(path) == expected
    with open_source(path) as source:
        assert source.name == os.fsdecode(bytes(tmp_path)) + "/" + name.decode(errors="backslashreplace")
