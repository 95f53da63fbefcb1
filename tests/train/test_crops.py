from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import wait_until
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered import rendered_frame

from siamtrack.config import build
from siamtrack.errors import DataError, OutputError
from siamtrack.tracking.crop import SearchRegion
from siamtrack.train import prepare as preparing
from siamtrack.train.crops import CROP_SIZE, REPORT, CropStore, Shard, store_path
from siamtrack.train.prepare import SHARD_VIDEOS, open_store, prepare
from siamtrack.train.recipe import SourceConfig


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sequences enough for four shards; all are links to one of two frames."""
    root = tmp_path_factory.mktemp("many")
    frames = tmp_path_factory.mktemp("frames") / "one"
    frames.mkdir()
    for i in range(2):
        cv2.imwrite(str(frames / f"{i}.jpg"), rendered_frame(i)[0])
    (frames / "groundtruth.txt").write_text("60,80,40,50\n" * 2)
    names = [f"s{i:03d}" for i in range(3 * SHARD_VIDEOS + 3)]
    for name in names:
        (root / name).symlink_to(frames)
    (root / "list.txt").write_text("\n".join(names))
    return root


@pytest.fixture(scope="module")
def made(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the store of `many`, made without interruption. Tests that change it work on a copy."""
    cache = tmp_path_factory.mktemp("made")
    prepare(many, cache)
    return cache


@pytest.fixture(scope="module")
def whole(made: Path) -> dict[str, str]:
    """Digests of the files of that store."""
    return digests(made)


@pytest.fixture
def broken(got10k_root: Path, tmp_path: Path) -> Path:
    """Four sequences, of which the second has a cut image."""
    root = tmp_path / "data"
    shutil.copytree(got10k_root, root)
    image = root / "GOT-10k_Train_000002/00000005.jpg"
    image.write_bytes(image.read_bytes()[:-500])
    return root


def digests(cache: Path) -> dict[str, str]:
    """SHA-256 of each file of the one store in a cache."""
    (folder,) = cache.iterdir()
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_crops_leave_out_frames_without_a_target(stores: list[CropStore]) -> None:
    videos, stills = stores
    assert [len(track.crops) for track in videos.tracks] == [5, 5, 5, 5]
    assert 2 not in videos.tracks[0].frames
    # Two boxes of one image are two tracks of one instance, and an image without a box is one more.
    assert [len(track.crops) for track in stills.tracks] == [1, 1, 1, 1]
    assert len({track.instance for track in stills.tracks[:3]}) == 1
    assert stills.tracks[3].instance != stills.tracks[0].instance
    assert [track.boxed for track in stills.tracks] == [True, True, True, False]


def test_a_crop_holds_the_target_in_its_middle_at_the_exemplars_scale(stores: list[CropStore]) -> None:
    index = int(stores[0].tracks[0].crops[1])
    crop = stores[0].crop(index)
    frame, (x, y, w, h) = rendered_frame(1)
    side = np.sqrt((w + (w + h) / 2) * (h + (w + h) / 2)) * CROP_SIZE / 127
    expected = SearchRegion((x + w / 2, y + h / 2), side, CROP_SIZE).extract(frame, (0, 0, 0))
    middle = slice(100, 220)
    assert np.abs(crop[middle, middle].astype(int) - expected[middle, middle]).mean() < 8  # JPEG, twice
    assert stores[0].target_wh(index) == pytest.approx([w / side * CROP_SIZE, h / side * CROP_SIZE], rel=1e-3)


def test_crops_are_made_once(got10k_root: Path, stores: list[CropStore]) -> None:
    made: list[str] = []
    again = open_store(got10k_root, stores[0].path.parent, made.append)
    assert not made
    assert (again.crop(3) == stores[0].crop(3)).all()


def test_indices_run_on_over_all_shards(many: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(many, made)
    assert len(list(store.path.glob("shard-*"))) == 4
    assert np.concatenate([track.crops for track in store.tracks]).tolist() == list(range(len(store)))
    assert [track.name for track in store.tracks] == (many / "list.txt").read_text().split()
    assert len({track.instance for track in store.tracks}) == len(store.tracks)
    monkeypatch.setattr("siamtrack.train.crops.MAX_MAPS", 2)
    few = CropStore(store.path)
    for index in (*range(0, len(store), 7), 0, len(store) - 1):
        assert (few.crop(index) == store.crop(index % 2)).all()
        assert (store.target_wh(index) == store.target_wh(0)).all()
        assert few._blob.cache_info().currsize <= 2
    for index in (-1, len(store)):
        with pytest.raises(IndexError):
            store.crop(index)
    # A worker that is started anew gets a path, not the crops.
    data = pickle.dumps(store)
    assert len(data) < 1000
    assert (pickle.loads(data).crop(5) == store.crop(5)).all()


def test_long_sequences_are_thinned_and_images_not_wanted_are_not_opened(
    got10k_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("siamtrack.train.prepare.MAX_CROPS", 2)
    root = tmp_path / "data/a"
    shutil.copytree(got10k_root / "GOT-10k_Train_000001", root)
    (root / "00000002.jpg").write_bytes(b"never read")
    (track,) = open_store(tmp_path / "data", tmp_path / "cache").tracks
    assert track.frames.tolist() == [0, 4]  # of the visible 0, 1, 3, 4, 5


def test_a_bad_sequence_is_left_out_whole_and_named(broken: Path, tmp_path: Path) -> None:
    report = prepare(broken, tmp_path / "cache")
    assert (report.sequences, report.tracks, report.crops) == (3, 3, 15)
    ((name, reason),) = report.bad
    assert name == "GOT-10k_Train_000002"
    assert "00000005.jpg is cut off" in reason
    (folder,) = (tmp_path / "cache").iterdir()
    saved = json.loads((folder / REPORT).read_text())
    assert saved["bad"] == [{"name": name, "reason": reason}]
    assert (saved["sequences"], saved["tracks"], saved["crops"], saved["kind"]) == (3, 3, 15, "got10k")
    store = open_store(broken, tmp_path / "cache")
    assert store.report == report
    assert name not in [track.name for track in store.tracks]


def test_after_a_repair_the_store_is_as_if_nothing_had_been_bad(broken: Path, got10k_root: Path, tmp_path: Path) -> None:
    prepare(broken, tmp_path / "cache")
    name = "GOT-10k_Train_000002/00000005.jpg"
    shutil.copy(got10k_root / name, broken / name)
    report = prepare(broken, tmp_path / "cache")
    assert (report.sequences, report.crops, report.bad) == (4, 20, ())
    prepare(broken, tmp_path / "again")
    assert digests(tmp_path / "cache") == digests(tmp_path / "again")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("groundtruth.txt", "1,2,x,4\n" * 6, "line 1: '1,2,x,4' is not x,y,w,h"),
        ("groundtruth.txt", "1,2,nan,4\n" * 6, "finite numbers"),
        ("groundtruth.txt", "10,10,20,20\n" * 5, "6 frames, 5 boxes"),
        ("groundtruth.txt", "10,10,0,20\n" * 6, "no frame has a box with sides of 4 px or more"),
        ("groundtruth.txt", "1e300,1,1e300,1e300\n" * 6, ""),
        ("absence.label", "0\n", "1 flags, 6 boxes"),
        ("cover.label", "x\n" * 6, "whole numbers"),
    ],
)
def test_every_kind_of_bad_label_is_survived(name: str, text: str, reason: str, got10k_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(got10k_root, root)
    (root / "GOT-10k_Train_000003" / name).write_text(text)
    if name == "groundtruth.txt" and "5 boxes" in reason:
        (root / "GOT-10k_Train_000003/absence.label").unlink()
    report = prepare(root, tmp_path / "cache")
    assert [bad.name for bad in report.bad] == ["GOT-10k_Train_000003"]
    assert reason in report.bad[0].reason
    assert "\n" not in report.bad[0].reason
    assert report.tracks == 3


def test_nothing_usable_is_an_error_that_names_the_first(got10k_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(got10k_root, root)
    for path in root.glob("*/groundtruth.txt"):
        path.write_text("")
    with pytest.raises(DataError, match=r"no target large enough.*4 of 4 are bad, the first: GOT-10k_Train_000001: .* empty"):
        open_store(root, tmp_path / "cache")
    with pytest.raises(DataError, match="is no complete crop store"):
        CropStore(store_path(root, tmp_path / "cache", "got10k"))
    # And a repaired set is read anew.
    shutil.rmtree(root)
    shutil.copytree(got10k_root, root)
    assert len(open_store(root, tmp_path / "cache").tracks) == 4


def test_a_full_disk_is_one_line_and_finished_shards_are_kept(
    many: Path, whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fsync, []

    def full(number: int) -> None:
        calls.append(number)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(number)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OutputError,
        match=r"No space left .*; 1 of 4 shards are done and kept, the others need about "
        r"\d+\.\d MB, [\d,]+\.\d MB are free: make room and run the same again",
    ) as caught:
        prepare(many, tmp_path)
    assert "\n" not in str(caught.value)
    assert set(digests(tmp_path)) == {"shard-00000.safetensors"}
    cut: list[str] = []
    prepare(many, tmp_path, progress=lambda name, *_: cut.append(name))
    assert cut[0] == f"s{SHARD_VIDEOS:03d}"  # the first shard is not made again
    assert digests(tmp_path) == whole


def test_a_cache_that_cannot_be_made_is_said(many: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot be written \(Not a directory\)"):
        prepare(many, tmp_path / "file/cache")


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(many: Path, whole: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "siamtrack", "data", "prepare", str(many), "--cache", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    first = store_path(many, tmp_path, "got10k") / "shard-00000.safetensors"
    wait_until(first.exists, process)
    os.killpg(process.pid, signal.SIGKILL)  # its workers, too: one of them would still leave a part behind
    assert process.wait() == -signal.SIGKILL
    assert first.exists()
    assert not (first.parent / REPORT).exists()
    time_made = first.stat().st_mtime_ns
    (first.parent / "shard-00001.safetensors.1.part").write_bytes(b"left by a killed run")
    for path in first.parent.glob("*.part"):  # as if it had been killed long ago
        os.utime(path, (0, 0))
    open_store(many, tmp_path)
    assert first.stat().st_mtime_ns == time_made
    assert digests(tmp_path) == whole


def test_several_processes_make_the_same_store(many: Path, whole: dict[str, str], tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    prepare(many, tmp_path, workers=2, progress=lambda _, done, total: seen.append((done, total)))
    assert digests(tmp_path) == whole
    assert seen[-1] == (3 * SHARD_VIDEOS + 3,) * 2
    assert len(seen) == 4


def test_damaged_shards_are_named_and_made_again(many: Path, made: Path, whole: dict[str, str], tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    store = open_store(many, tmp_path)
    shard = store.path / "shard-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"shard-00002.safetensors is missing or damaged .*siamtrack data prepare"):
        open_store(many, tmp_path)
    prepare(many, tmp_path)
    assert digests(tmp_path) == whole
    shard.unlink()
    open_store(many, tmp_path)
    assert digests(tmp_path) == whole


def test_a_shard_that_was_replaced_is_not_read_with_old_numbers(many: Path, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    store = open_store(many, tmp_path)
    shutil.copy(store.path / "shard-00003.safetensors", store.path / "shard-00001.safetensors")
    with pytest.raises(DataError, match=r"shard-00001.safetensors has changed since it was opened"):
        store.crop(int(store.tracks[SHARD_VIDEOS].crops[0]))


def test_a_source_that_grew_is_cut_where_it_changed(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "SHARD_VIDEOS", 2)
    names = (many / "list.txt").read_text().split()[:5]
    root = tmp_path / "data"
    root.mkdir()
    for name in names:
        (root / name).symlink_to(many / name)
    (root / "list.txt").write_text("\n".join(names))
    prepare(root, tmp_path / "cache")
    (root / "z").symlink_to(many / names[0])
    (root / "list.txt").write_text("\n".join([*names, "z"]))
    cut: list[str] = []
    report = prepare(root, tmp_path / "cache", progress=lambda name, *_: cut.append(name))
    assert report.tracks == len(names) + 1
    assert cut == [names[4], "z"]
    (root / "list.txt").write_text("\n".join(names[:2]))
    assert prepare(root, tmp_path / "cache").tracks == 2
    (folder,) = (tmp_path / "cache").iterdir()
    assert len(list(folder.glob("shard-*"))) == 1


def test_stores_differ_by_place_format_and_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {store_path(tmp_path / "a/train", tmp_path, "got10k"), store_path(tmp_path / "b/train", tmp_path, "got10k")}
    paths.add(store_path(tmp_path / "a/train", tmp_path, "videos"))
    monkeypatch.setattr("siamtrack.train.crops.FORMAT", "next")
    paths.add(store_path(tmp_path / "a/train", tmp_path, "got10k"))
    assert len(paths) == 4
    assert all(path.name.startswith("train-") for path in paths)


def test_another_format_is_refused(got10k_root: Path, tmp_path: Path) -> None:
    store = open_store(got10k_root, tmp_path)
    values = json.loads((store.path / REPORT).read_text())
    (store.path / REPORT).write_text(json.dumps({**values, "format": "2"}))
    with pytest.raises(DataError, match="another format than 3"):
        CropStore(store.path)
    (store.path / REPORT).write_text("{}")
    with pytest.raises(DataError, match="is no complete crop store"):
        CropStore(store.path)
    with pytest.raises(DataError, match="is missing or damaged"):
        Shard(store.path / REPORT)


@settings(max_examples=60)
@given(st.data())
def test_excluded_patterns_leave_out_what_they_match_and_nothing_else(stores: list[CropStore], data: st.DataObject) -> None:
    path = stores[data.draw(st.integers(0, 1))].path
    everything = CropStore(path).tracks
    name = data.draw(st.sampled_from([track.name for track in everything]))
    begin = data.draw(st.integers(0, len(name)))
    end = data.draw(st.integers(begin, len(name)))
    pattern = name[:begin] + data.draw(st.sampled_from(["*", "?" * (end - begin), "x"])) + name[end:]
    expected = [track for track in everything if not fnmatchcase(track.name, pattern)]
    if len(expected) == len(everything):
        with pytest.raises(DataError, match="matches none"):
            CropStore(path, (pattern,))
    elif not expected:
        with pytest.raises(DataError, match="leaves no track"):
            CropStore(path, (pattern,))
    else:
        kept = CropStore(path, (pattern,)).tracks
        # Numbers of crops and instances stay: what is excluded is only not drawn.
        assert [(t.name, t.instance, t.crops.tolist()) for t in kept] == [
            (t.name, t.instance, t.crops.tolist()) for t in expected
        ]


def test_exclusion_filters_on_opening(got10k_root: Path, stores: list[CropStore], broken: Path, tmp_path: Path) -> None:
    cache = stores[0].path.parent
    before = stores[0].path.stat().st_mtime_ns
    store = open_store(got10k_root, cache, exclude=("*_000001", "*_00000[34]"))
    assert [track.name for track in store.tracks] == ["GOT-10k_Train_000002"]
    assert stores[0].path.stat().st_mtime_ns == before
    with pytest.raises(DataError, match=r"exclude: 'AUTO_\*' matches none of the 4 tracks"):
        open_store(got10k_root, cache, exclude=("AUTO_*",))
    # What is bad is left out already; asking for it is no mistake.
    assert len(open_store(broken, tmp_path / "cache", exclude=("*_000002",)).tracks) == 3
    source = build(SourceConfig, {"path": "videos", "exclude": ["AUTO_*"], "kind": "got10k"})
    assert (source.exclude, source.kind) == (("AUTO_*",), "got10k")
