import dataclasses
import itertools
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import rows_of

from siamtrack.data.sequence import Sequence
from siamtrack.errors import OutputError
from siamtrack.eval.evaluation import Evaluation, TrackerRuns, changes
from siamtrack.eval.report import draw, plain_scores, write_report
from siamtrack.eval.report_charts import COLOURS, BarRow, Dot, bar_charts, scatter, shortened, style
from siamtrack.eval.report_sheets import SHEET_BYTES, make_sheet
from siamtrack.eval.sequence_run import SequenceRun

FILES = ("curves.png", "report.html", "scores.csv", "scores.json")
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """What a page holds, and whether every tag that opens closes again."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def outcome(name: str, shift_px: float, frames: int = 11, fps: float = 50.0) -> SequenceRun:
    """A target of 20 x 20 px that stands still, and a box that lies beside it from the second frame on."""
    truth = np.tile([10.0, 10.0, 20.0, 20.0], (frames, 1))
    boxes = truth + np.array([shift_px, 0, 0, 0])
    boxes[0] = truth[0]
    seconds = np.full(frames - 1, 1 / fps) if fps else np.zeros(0)
    return SequenceRun(name, boxes, truth, (96, 64), seconds, np.full(frames, math.nan))


def evaluation(names: tuple[str, str] = ("ours", "theirs"), shift_px: float = 0.0) -> Evaluation:
    """Six sequences; the first tracker is right on all but `s0`, nobody measured the second."""
    ours = [outcome(f"s{i}", 10.0 if i == 0 else shift_px) for i in range(6)]
    theirs = [outcome(f"s{i}", 5.0 + i, fps=0) for i in range(6)]
    trackers = (TrackerRuns(names[1], tuple(theirs)), TrackerRuns(names[0], tuple(ours)))
    return Evaluation("Made up", "val", trackers[::-1], {"device": "none"}, {"s0": ("blur",), "s1": ("blur", "night")})


@pytest.fixture(autouse=True)
def _no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siamtrack.eval.report.draw", lambda _: b"a picture takes half a second")


def test_the_page_has_the_colours_of_the_picture(tmp_path: Path) -> None:
    text = write_report(evaluation(), tmp_path).read_text(encoding="utf-8")
    assert re.findall(r"--c\d: (#\w{6})", text)[: len(COLOURS)] == list(COLOURS)


def test_picture_of_the_curves() -> None:
    picture = cv2.imdecode(np.frombuffer(draw(evaluation(("_$x$", "theirs"))), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1] == 1320
    assert (picture == (0, 94, 213)).all(axis=2).sum() > 500  # the first colour, BGR


def test_page_needs_nothing_else_and_closes_its_tags(tmp_path: Path) -> None:
    path = write_report(evaluation(), tmp_path / "new" / "folder", other=evaluation())
    assert path == tmp_path / "new" / "folder" / "report.html"
    assert sorted(file.name for file in path.parent.iterdir()) == sorted(FILES)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert not re.search(r"https?://|@import|url\(", text)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert all(str(attributes.get("src", "data:")).startswith("data:") for _, attributes in page.tags)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    charts = [attributes for tag, attributes in page.tags if tag == "svg" and attributes.get("role") == "img"]
    assert len(charts) == 4
    assert {item["aria-labelledby"] for item in charts} == set(ids)
    # On a phone, where a row is a card, each cell says what it is of.
    cells = [attributes for tag, attributes in page.tags if tag == "td"]
    assert {"AO", "AO, mean of sequences", "SR0.75", "fps", "Difference"} <= {cell["data-label"] for cell in cells}
    assert "nan" not in text.lower()


def test_names_are_escaped_everywhere(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script>\"&"
    made = evaluation((evil, "theirs"))
    trackers = tuple(
        TrackerRuns(item.tracker, tuple(dataclasses.replace(one, name=evil + one.name) for one in item.runs))
        for item in made.trackers
    )
    made = Evaluation(evil, evil, trackers, {evil: evil}, {evil + "s0": (evil,)})
    sequences = {evil + "s0": Sequence(evil, tmp_path / evil.replace("/", ""), trackers[0].runs[0].truth_xywh)}
    before = dataclasses.replace(made, trackers=(TrackerRuns(evil, trackers[0].runs[1:]), trackers[1]))
    text = write_report(made, tmp_path / "out", sequences, before).read_text(encoding="utf-8")
    assert "<script" not in text
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert sum(evil in word for word in page.words) > 20


def test_table_is_sorted_and_its_best_figures_are_bold(tmp_path: Path) -> None:
    text = write_report(evaluation(("ours", "theirs")), tmp_path).read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in row] for row in Page(text).rows]
    ours, theirs = evaluation().trackers
    # An overlap of 1 in five sequences, of a third in one.
    assert rows[1] == ["ours", "0.889", "0.889", "0.833", "0.833", f"{ours.success_auc:.3f}", "1.000", "50.0"]
    ao = f"{theirs.scores.ao:.3f}"  # sequences of one length: the means are one
    assert rows[2] == ["theirs", ao, ao, "0.333", "0.000", f"{theirs.success_auc:.3f}", "1.000", "–"]
    assert text.count('class="best"') == 6 + 1 + 4  # 1.000 is shared; the only speed has no other; two attributes, twice
    figures = ["2", "0.667", f"{np.mean([15 / 25, 14 / 26]):.3f}"]
    assert [["blur", *figures], ["blur, mean of sequences", *figures]] == [row for row in rows if row[0].startswith("blur")]
    assert "2 trackers on 6 sequences, 60 frames counted" in text


def test_worst_comes_first(tmp_path: Path) -> None:
    text = write_report(evaluation(), tmp_path).read_text(encoding="utf-8")
    shown = re.findall(r"<g><title>(s\d): ours ([\d.]+); theirs ([\d.]+)</title>", text)
    assert shown[0] == ("s0", "0.333", "0.600")
    assert [float(item[1]) for item in shown] == sorted(float(item[1]) for item in shown)


def test_json_and_csv_equal_the_figures(tmp_path: Path) -> None:
    made = evaluation()
    write_report(made, tmp_path)
    plain = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert plain == plain_scores(made)
    assert (plain["dataset"], plain["subset"], plain["about"]) == ("Made up", "val", {"device": "none"})
    for item in made.trackers:
        found = plain["trackers"][item.tracker]
        assert (found["ao"], found["sr50"], found["sr75"]) == (item.scores.ao, item.scores.sr50, item.scores.sr75)
        assert (found["success_auc"], found["precision20"]) == (item.success_auc, item.precision[20])
        assert found["success_curve"] == item.success.tolist()
        assert found["precision_curve"] == item.precision.tolist()
        for one in item.runs:
            assert found["sequences"][one.name]["ao"] == one.overlaps.mean()
    assert plain["trackers"]["theirs"]["fps"] is None
    assert plain["trackers"]["ours"]["sequences"]["s3"] == pytest.approx(
        {"ao": 1.0, "sr50": 1.0, "sr75": 1.0, "frames": 10, "fps": 50.0}
    )
    rows = rows_of(tmp_path / "scores.csv")
    assert [(row["tracker"], row["sequence"]) for row in rows[:2]] == [("ours", "all"), ("ours", "s0")]
    assert len(rows) == 2 * 7
    assert float(rows[0]["ao"]) == made.trackers[0].scores.ao
    assert rows[7]["fps"] == ""


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
def test_sequence_without_a_frame_that_counts_has_no_figures(tmp_path: Path) -> None:
    whole = outcome("gone", 0.0)
    gone = dataclasses.replace(whole, cover=np.zeros(len(whole.truth_xywh)))
    tracker = TrackerRuns("ours", (outcome("s0", 5.0), gone))
    text = write_report(Evaluation("Made up", "", (tracker,)), tmp_path).read_text(encoding="utf-8")
    found = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["trackers"]["ours"]
    assert found["sequences"]["gone"] == {"ao": None, "sr50": None, "sr75": None, "frames": 0, "fps": pytest.approx(50.0)}
    assert found["ao"] == pytest.approx(0.6)
    assert "1 sequence without a frame that counts" in text
    assert "nan" not in text.lower()


def test_old_report_stays_where_the_new_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(evaluation(), tmp_path)
    old = {name: (tmp_path / name).read_bytes() for name in FILES}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("siamtrack.system.os.fsync", full)
    with pytest.raises(OutputError, match=r"scores\.json cannot be written \(No space left on device\)"):
        write_report(evaluation(shift_px=4.0), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == old


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"file.out cannot be written"):
        write_report(evaluation(), tmp_path / "file" / "out")


def test_nothing_to_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 trackers"):
        write_report(Evaluation("Made up", "val", ()), tmp_path)
    with pytest.raises(ValueError, match="of which 1 on no sequence"):
        write_report(Evaluation("Made up", "val", (TrackerRuns("ours", ()),)), tmp_path)


def test_comparison_pairs_sequences_and_names_the_others(tmp_path: Path) -> None:
    before = evaluation(shift_px=2.0)
    ours = before.trackers[0]
    parts = (*ours.runs[:4], outcome("s4", 2.0, frames=7), outcome("old", 2.0))
    before = dataclasses.replace(before, trackers=(TrackerRuns("ours", parts),))
    (found,) = changes(evaluation(), before)
    assert found.left_out == ("s4", "s5", "old")
    gain = 1 - 18 / 22
    assert found.of_frames.difference == pytest.approx(3 * gain / 4)
    for each in (found.of_frames, found.of_sequences):
        assert each.now - each.before == pytest.approx(each.difference)
    assert [name for name, _, _ in found.sequences] == ["s1", "s2", "s3", "s0"]
    assert found.verdict(found.of_frames) == "too few sequences to tell (5 or more can)"
    text = write_report(evaluation(), tmp_path, other=before).read_text(encoding="utf-8")
    assert "Left out, as they do not pair: s4, s5, old." in text
    assert ["s1", "0.818", "1.000", "+0.182"] in Page(text).rows


def test_comparison_says_how_sure_it_is() -> None:
    assert verdicts(evaluation(), evaluation()) == ["not told apart"] * 2
    better = [dataclasses.replace(item, runs=item.runs[1:]) for item in evaluation().trackers[:1]]
    worse = dataclasses.replace(evaluation(shift_px=2.0), trackers=evaluation(shift_px=2.0).trackers[:1])
    now = dataclasses.replace(evaluation(), trackers=tuple(better))
    assert verdicts(now, worse) == ["higher"] * 2
    assert verdicts(worse, now) == ["lower"] * 2


def verdicts(now: Evaluation, before: Evaluation) -> list[str]:
    found = changes(now, before)[0]
    return [found.verdict(found.of_frames), found.verdict(found.of_sequences)]


def test_a_comparison_of_long_and_short_sequences_has_both_means() -> None:
    def of(long: float, short: float) -> Evaluation:
        runs = (outcome("long", long, frames=91), outcome("short", short, frames=11))
        return Evaluation("Made up", "val", (TrackerRuns("ours", runs),))

    (found,) = changes(of(0, 20), of(20, 0))  # right on the long one now, on the short one before
    assert found.of_frames.difference == pytest.approx(0.8)
    assert found.of_sequences.difference == pytest.approx(0)


def test_other_data_is_not_compared(tmp_path: Path) -> None:
    other = dataclasses.replace(evaluation(), subset="test")
    with pytest.raises(ValueError, match="Made up test, this one of Made up val"):
        changes(evaluation(), other)
    assert "Not compared: the other evaluation is of" in write_report(evaluation(), tmp_path, other=other).read_text("utf-8")


def test_sheets_show_frames_or_say_why_not(tmp_path: Path) -> None:
    folder = tmp_path / "s0"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    for index in range(11):
        cv2.imwrite(str(folder / f"{index:04d}.png"), noise)
    made = evaluation()
    truth = made.trackers[0].runs[0].truth_xywh
    good = Sequence("s0", folder, truth)
    pictures, _ = make_sheet(made.trackers[0].runs[0], good, "#D55E00")
    assert [frame.index for frame in pictures] == [1, 3, 5, 6, 8, 10]
    assert sum(len(frame.jpeg) for frame in pictures) <= SHEET_BYTES
    picture = cv2.imdecode(np.frombuffer(pictures[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (64, 96, 3)
    assert abs(picture[20, 40].astype(int) - (0, 94, 213)).max() < 60  # the right side of a box 10 px off the truth
    bad = Sequence("s1", tmp_path / "gone", truth)
    text = write_report(made, tmp_path / "out", {"s0": good, "s1": bad}).read_text(encoding="utf-8")
    assert text.count("data:image/jpeg;base64,") == 6
    assert "frame 10: overlap 0.33" in text
    assert re.search(r"No picture: [^<]*gone", text)


def test_boxes_that_are_no_boxes_are_not_drawn(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((64, 96, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((64, 96, 3), np.uint8))
    item = outcome("s", 0.0, frames=2)
    item.boxes_xywh[1] = (math.nan, 0, 1e300, 5)
    gone = dataclasses.replace(item, truth_xywh=np.array([[10.0, 10, 20, 20], [0, 0, 0, 0]]))
    pictures, _ = make_sheet(gone, Sequence("s", tmp_path, gone.truth_xywh), "#D55E00")
    assert not cv2.imdecode(np.frombuffer(pictures[0].jpeg, np.uint8), cv2.IMREAD_COLOR).any()
    assert math.isnan(pictures[0].overlap)


def test_many_bars_go_to_several_charts_and_none_is_lost() -> None:
    bars = [BarRow(f"s{i}", "ours", style(0), i / 50, ()) for i in range(50)]
    charts = bar_charts("bars", "title", bars)
    assert len(charts) == 3
    assert re.findall(r"<g><title>(s\d+):", "".join(charts)) == [bar.name for bar in bars]
    assert bar_charts("bars", "title", []) == []


def test_styles_differ_and_names_are_shortened_in_the_middle() -> None:
    assert len({(item.colour, item.dash) for item in map(style, range(30))}) == 30
    assert shortened("short", 10) == "short"
    assert shortened("ILSVRC2015_val_00000042", 12) == "ILSVR…000042"


def test_labels_in_the_scatter_do_not_cover_each_other() -> None:
    dots = [Dot(f"tracker {i}", style(i), 50.0 + i, 0.5 + i / 500) for i in range(6)]
    svg = scatter("speed", "title", dots)
    found = re.findall(r'y="([\d.]+)"><title>.*?<text class="name" x="(-?[\d.]+)" y="(-?[\d.]+)" text-anchor="(\w+)"', svg)
    assert len(found) == 6
    for anchor in ("start", "end"):
        heights = sorted(float(y) + float(dy) for y, _, dy, side in found if side == anchor)
        assert all(b - a >= 13 for a, b in itertools.pairwise(heights))
    with pytest.raises(ValueError, match="leave out"):
        scatter("speed", "title", [Dot("a", style(0), math.nan, 0.5)])
