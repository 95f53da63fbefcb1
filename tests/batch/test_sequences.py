from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from siamtrack.batch import sequences
from siamtrack.batch.jobs import TargetJob
from siamtrack.batch.sequences import open_jobs
from siamtrack.data.pictures import holds_pictures
from siamtrack.errors import DataError

BOX = (1.0, 2.0, 30.0, 40.0)


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_videos_with_box_files_beside_them(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4", tmp_path / "b.MKV", tmp_path / "frames/1.png", tmp_path / "notes.pdf", tmp_path / "other/x.txt")
    write(tmp_path / "a.txt", "1,2,30,40\nwhatever follows\n")
    write(tmp_path / "b.csv", "target,start,x,y,w,h,end\ncar,3,1,2,30,40,7\ndog,0,1,2,30,40,\n")
    write(tmp_path / "frames.txt", "1 2 30 40")
    found = open_jobs(tmp_path)
    assert found.refused == ()
    assert [(video.name, video.label, video.size) for video in found.videos] == [
        ("a", "a.mp4", 1),
        ("b", "b.MKV", 1),
        ("frames", "frames", None),
    ]
    assert [video.targets for video in found.videos] == [
        (TargetJob("target", BOX),),
        (TargetJob("car", BOX, 3, 7), TargetJob("dog", BOX)),
        (TargetJob("target", BOX),),
    ]


def test_got10k_sequences(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        touch(tmp_path / name / "00000001.jpg")
        write(tmp_path / name / "groundtruth.txt", "1.0,2.0,30.0,40.0\nnan,nan,nan,nan\n")
    assert [video.name for video in open_jobs(tmp_path).videos] == ["one", "three", "two"]
    write(tmp_path / "list.txt", "two\nfour\n")
    found = open_jobs(tmp_path)
    (video,) = found.videos
    assert (video.name, video.label, video.targets) == ("two", "two", (TargetJob("target", BOX),))
    assert "four not found; list.txt names it" in found.refused[0].reason
    alone = open_jobs(tmp_path / "one").videos[0]
    assert (alone.name, alone.path) == ("one", str(tmp_path / "one"))
    write(tmp_path / "list.txt", "../elsewhere\n")
    with pytest.raises(DataError, match="leads out of"):
        open_jobs(tmp_path)


def test_mot_sequences(tmp_path: Path) -> None:
    touch(tmp_path / "S1/img1/000001.jpg", tmp_path / "S2/img1/000001.jpg", tmp_path / "S3/img1/000001.jpg")
    lines = ["4,1,11,21,30,40,1,1,1", "3,1,2,3,30,40,1,1,1", "3,2,2,3,30,40,0,8,1", "6,1,5,5,30,40,1,1,1", "5,3,2,3,30,40,1"]
    write(tmp_path / "S1/gt/gt.txt", "\n".join(lines))
    write(tmp_path / "S1/det/det.txt", "1,-1,1,1,9,9,1")
    write(tmp_path / "S2/det/det.txt", "2,-1,2,3,30,40,0.9,-1,-1,-1\n2,-1,12,13,30,40,0,-1,-1,-1\n3,-1,2,3,30,40,1\n")
    write(tmp_path / "S3/gt/gt.txt", "0,1,2,3,30,40,1\n")
    found = open_jobs(tmp_path)
    first, second = found.videos
    assert (first.name, first.label, first.path) == ("S1", "S1/img1", str(tmp_path / "S1/img1"))
    # Frames and pixels are counted from 1 there. Track 2 does not count.
    assert first.targets == (TargetJob("1", BOX, 2, 5), TargetJob("3", BOX, 4, 4))
    assert second.targets == (TargetJob("1", BOX, 1), TargetJob("2", (11, 12, 30, 40), 1))
    assert "line 1: '0,1,2,3,30,40,1' is not frame,id,left,top,width,height" in found.refused[0].reason
    assert open_jobs(tmp_path / "S1").videos[0].name == "S1"


def test_what_lacks_its_boxes_or_has_two_is_refused_by_itself(tmp_path: Path) -> None:
    touch(
        tmp_path / "a.mp4", tmp_path / "b.mp4", tmp_path / "c.mp4", tmp_path / "c.avi", tmp_path / "d.mp4", tmp_path / "e/1.png"
    )
    write(tmp_path / "a.txt", "1,2,30,40\n")
    write(tmp_path / "b.txt", "1,2,30\n")
    write(tmp_path / "c.txt", "1,2,30,40\n")
    write(tmp_path / "d.txt", "1,2,30,40\n")
    write(tmp_path / "d.csv", "target,start,x,y,w,h\nt,0,1,2,30,40\n")
    touch(tmp_path / "f.mp4", tmp_path / "g.mp4")
    write(tmp_path / "f.txt", "1,2,0,40\n")
    (tmp_path / "g.txt").symlink_to("g.txt")
    found = open_jobs(tmp_path)
    assert [video.name for video in found.videos] == ["a"]
    reasons = {refusal.video: refusal.reason for refusal in found.refused}
    assert "'1,2,30' is not four finite numbers" in reasons["b.mp4"]
    assert "c.avi and c.mp4 share the boxes of c" in reasons["c.avi"]
    assert "both d.csv and d.txt say what to follow" in reasons["d.mp4"]
    assert "no e.txt or e.csv beside it" in reasons["e"]
    assert reasons["f.mp4"].startswith("box (1.0, 2.0, 0.0, 40.0) has a width or height of zero")
    assert "no g.txt or g.csv beside it" in reasons["g.mp4"]


def test_what_is_no_file_or_cannot_be_looked_into_is_refused_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a.mp4", tmp_path / "lost+found/1.png")
    for name in ("a", "pipe", "nowhere", "circle", "folder"):
        write(tmp_path / f"{name}.txt", "1,2,30,40\n")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "nowhere.mp4").symlink_to("gone.mp4")
    (tmp_path / "circle.mp4").symlink_to("circle.mp4")
    (tmp_path / "folder.mp4").mkdir()

    def locked(folder: Path) -> bool:  # by `chmod` nothing is locked for root, as whom containers run tests
        if folder.name == "lost+found":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder / "img1"))
        return holds_pictures(folder)

    monkeypatch.setattr(sequences, "holds_pictures", locked)
    found = open_jobs(tmp_path)
    assert [video.name for video in found.videos] == ["a"]
    reasons = {refusal.video: refusal.reason for refusal in found.refused}
    assert reasons.pop("lost+found") == "the folder cannot be read (Permission denied)"
    assert reasons == dict.fromkeys(("circle.mp4", "nowhere.mp4", "pipe.mp4"), "it is no file, nor a link to one")


def test_lines_of_a_box_file_are_refused_one_by_one(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    write(tmp_path / "a.csv", "target,start,x,y,w,h\ncar,0,1,2,30,40\nbad,0,1,2,0,40\n")
    found = open_jobs(tmp_path)
    assert [target.name for target in found.videos[0].targets] == ["car"]
    (refusal,) = found.refused
    assert (refusal.where, refusal.video, refusal.target) == ("a.csv, line 3", "a.mp4", "bad")


def test_a_folder_without_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"holds no jobs; wanted are NAME\.mp4"):
        open_jobs(tmp_path)
    touch(tmp_path / "a.mp4")
    with pytest.raises(DataError, match=r"nothing in .* can be tracked: a: no a\.txt"):
        open_jobs(tmp_path)
    write(tmp_path / "a.txt", "1,2,30,40\n")
    monkeypatch.chdir(tmp_path)
    assert open_jobs(".").videos[0].name == "a"
