from __future__ import annotations

import json
from pathlib import Path

import pytest

from siamtrack.batch.jobs import JobList, TargetJob
from siamtrack.batch.sequences import open_jobs
from siamtrack.batch.target_folder import TargetResult, write_summary
from siamtrack.errors import DataError

HEADER = "video,target,start,x,y,w,h,end\n"
GOOD = "a.mp4,car,0,1,2,30,40,\n"


def read(tmp_path: Path, text: str, name: str = "jobs.csv") -> JobList:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return open_jobs(path)


def test_targets_are_gathered_by_video(tmp_path: Path) -> None:
    text = HEADER + "a.mp4,car,0,1,2,30,40,\n\nsub/b.mp4,7,5,1.5,2,30,40,9\n./sub/../a.mp4,dog,3,1,2,3e1,40,\n"
    found = read(tmp_path, text)
    assert found.refused == ()
    a, b = found.videos
    assert (a.label, a.name, a.path, a.size) == ("a.mp4", "a", str(tmp_path / "a.mp4"), None)
    assert a.targets == (TargetJob("car", (1, 2, 30, 40)), TargetJob("dog", (1, 2, 30, 40), 3))
    assert (b.label, b.name) == ("sub/b.mp4", "b")
    assert b.targets == (TargetJob("7", (1.5, 2, 30, 40), 5, 9),)


def test_columns_may_stand_in_any_order_and_end_may_be_left_out(tmp_path: Path) -> None:
    found = read(tmp_path, "\ufefftarget,h,w,y,x,start,video\ncar,4,3,2,1,6,a.mp4\n")
    assert found.videos[0].targets == (TargetJob("car", (1, 2, 3, 4), 6),)


def test_jsonl_says_the_same(tmp_path: Path) -> None:
    row = {"video": "a.mp4", "target": "car", "start": 2, "x": 1, "y": 2, "w": 30, "h": 40.5}
    lines = [row, {**row, "target": 8, "end": 5}, {**row, "target": "dog", "end": None}]
    found = read(tmp_path, "\n".join(map(json.dumps, lines)) + "\n\n", "jobs.jsonl")
    box = (1, 2, 30, 40.5)
    assert found.refused == ()
    assert found.videos[0].targets == (TargetJob("car", box, 2), TargetJob("8", box, 2, 5), TargetJob("dog", box, 2))


def test_paths_may_be_absolute_and_a_moved_manifest_means_the_same(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    video = tmp_path / "elsewhere.mp4"
    video.write_bytes(b"12345")
    found = read(tmp_path / "in", HEADER + f"{video},car,0,1,2,30,40,\n../elsewhere.mp4,dog,0,1,2,30,40,\n")
    assert len(found.videos) == 1  # two spellings of one path
    assert (found.videos[0].label, found.videos[0].size) == (video.as_posix(), 5)
    assert read(tmp_path / "in", HEADER + "x\\y.mp4,car,0,1,2,30,40,\n").videos[0].label == "x/y.mp4"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",car,0,1,2,30,40,", "video is ''"),
        ("a.mp4,,0,1,2,30,40,", "target is ''"),
        ("a.mp4,x/y,0,1,2,30,40,", "target 'x/y' cannot name a folder"),
        ("a.mp4,..,0,1,2,30,40,", "target '..' cannot name a folder"),
        ("a.mp4,x,,1,2,30,40,", "start is ''"),
        ("a.mp4,x,1.5,1,2,30,40,", "start is '1.5'; a whole number"),
        ("a.mp4,x,-1,1,2,30,40,", "start is -1; frames are counted from 0"),
        ("a.mp4,x,5,1,2,30,40,4", "end 4 comes before start 5"),
        ("a.mp4,x,5,1,2,30,40,soon", "end is 'soon'"),
        ("a.mp4,x,0,one,2,30,40,", "x is 'one'; a finite number"),
        ("a.mp4,x,0,1,nan,30,40,", "y is 'nan'"),
        ("a.mp4,x,0,1,2,0,40,", "width or height of zero or less"),
        ("a.mp4,x,0,1,2,30,-4,", "width or height of zero or less"),
        ("a.mp4,x,0,1,2,30", "6 columns, the header has 8"),
        ("a.mp4,CAR,0,1,2,30,40,", "target 'CAR' of a.mp4 is given twice; jobs.csv, line 2 has it already"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_kept(tmp_path: Path, line: str, reason: str) -> None:
    found = read(tmp_path, f"{HEADER}{GOOD}{line}\na.mp4,last,0,1,2,30,40,\n")
    assert [target.name for target in found.videos[0].targets] == ["car", "last"]
    (refusal,) = found.refused
    assert refusal.where == "jobs.csv, line 3"
    assert reason in refusal.reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "is not JSON"),
        ("[1]", "is not an object"),
        ('{"video": "a.mp4"}', "no key target, start, x, y, w, h"),
        ('{"video": "a.mp4", "target": "t", "start": 0, "x": 1, "y": 2, "w": 3, "h": 4, "stop": 5}', "unknown key 'stop'"),
        ('{"video": "a.mp4", "target": "t", "start": true, "x": 1, "y": 2, "w": 3, "h": 4}', "start is 'True'"),
        ('{"video": "a.mp4", "target": "t", "start": 0.0, "x": 1, "y": 2, "w": 3, "h": 4}', "start is '0.0'"),
        ('{"video": "a.mp4", "target": "t", "start": 0, "x": NaN, "y": 2, "w": 3, "h": 4}', "x is 'nan'"),
        ('{"video": "a.mp4", "target": "t", "start": 0, "x": [1], "y": 2, "w": 3, "h": 4}', "x is '[1]'"),
        ('{"video": null, "target": "t", "start": 0, "x": 1, "y": 2, "w": 3, "h": 4}', "video is None"),
        (
            '{"video": "a.mp4", "target": "t", "start": 0, "x": 1, "y": 2, "w": 3, "h": 4, "direction": "back"}',
            "direction is 'back'; did you mean 'backward'?",
        ),
    ],
)
def test_a_bad_line_of_jsonl_too(tmp_path: Path, line: str, reason: str) -> None:
    good = json.dumps({"video": "a.mp4", "target": "car", "start": 0, "x": 1, "y": 2, "w": 30, "h": 40})
    found = read(tmp_path, f"{line}\n{good}\n", "jobs.jsonl")
    assert len(found.videos) == 1
    (refusal,) = found.refused
    assert refusal.where == "jobs.jsonl, line 1"
    assert reason in refusal.reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column video, target"),
        ("video,target,start,x,y,w\n", "no column h in"),
        (HEADER.replace(",", ";") + GOOD.replace(",", ";"), "y;w;h;end'; part columns by commas"),
        (HEADER.replace("end", "ends") + GOOD, "unknown column 'ends'; did you mean 'end'?"),
        (HEADER.replace("end", "x") + GOOD, "column 'x' is there twice"),
        (HEADER + 'a.mp4,"car,0,1,2,30,40,\n', "is a quote left open?"),
        (HEADER + "a.mp4,a/b,0,1,2,30,40,\na.mp4,c,0,1,2,0,40,\n", "line 2: target 'a/b' cannot name a folder"),
    ],
)
def test_a_manifest_without_a_good_line_is_an_error(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)


def test_half_a_surrogate_refuses_its_line_alone(tmp_path: Path) -> None:
    row = {"video": "a.mp4", "target": "car", "start": 0, "x": 1, "y": 2, "w": 30, "h": 40}
    rows = [
        row,
        {**row, "video": "b\ud800.mp4"},
        {**row, "target": "\udfff"},
        {**row, "start": "\ud800"},
        {**row, "z\ud800": 1},
    ]
    found = read(tmp_path, "\n".join(map(json.dumps, rows)), "jobs.jsonl")
    assert [video.label for video in found.videos] == ["a.mp4"]
    assert [refusal.where for refusal in found.refused] == [f"jobs.jsonl, line {number}" for number in (2, 3, 4, 5)]
    write_summary(tmp_path, [TargetResult(one.video, one.target, None, 0, 0, "failed", one.reason) for one in found.refused])
    assert "b\\ud800.mp4" in (tmp_path / "summary.csv").read_text(encoding="utf-8")


def test_addresses_stay_as_they_are_and_are_shown_without_secrets(tmp_path: Path) -> None:
    lines = ["http://u:S3cret@h/v.mp4?id=S3cret1", "http://u:S3cret@h/v.mp4?id=S3cret2", "http://u:S3cret@h/w.mp4", "x.mp4"]
    found = read(tmp_path, HEADER + "".join(f"{line},car,0,1,2,30,40,\n" for line in lines))
    assert [video.path for video in found.videos] == [*lines[:3], str(tmp_path / "x.mp4")]
    shown = "http://***@h/v.mp4?id=***"
    assert [video.label for video in found.videos] == [shown, f"{shown} (2)", "http://***@h/w.mp4", "x.mp4"]
    assert [video.size for video in found.videos] == [None] * 4
    assert not any("S3cret" in video.name for video in found.videos)
    bad = ["http://u:S3cret@h/v.mp4,car,0,1,2,0,40,", "http://u:S3cret@h/\x01,car,0,1,2,3,40,", lines[0] + ",car,0,1,2,3,4,"]
    found = read(tmp_path, HEADER + f"{lines[0]},car,0,1,2,30,40,\n" + "\n".join(bad))
    assert len(found.refused) == 3
    assert "S3cret" not in str(found.refused)
    row = '{"video": "http://u:S3cret@h/v", "target": 1'
    with pytest.raises(DataError) as error:
        read(tmp_path, f"{row}\n[{row}}}]\n", "jobs.jsonl")
    assert "S3cret" not in str(error.value)


def test_a_manifest_with_a_header_only_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names no target below its header"):
        read(tmp_path, HEADER)
    with pytest.raises(DataError, match="names no target"):
        read(tmp_path, "\n", "jobs.jsonl")


def test_what_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        open_jobs(tmp_path / "jobs.csv")
    (tmp_path / "jobs.xlsx").write_bytes(b"")
    with pytest.raises(DataError, match=r"manifests end in \.csv or \.jsonl"):
        open_jobs(tmp_path / "jobs.xlsx")
    with pytest.raises(FileNotFoundError, match=r"none\.csv not found"):
        open_jobs(tmp_path / "none.csv")
