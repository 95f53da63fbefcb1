from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siamtrack.errors import DataError, OutputError
from siamtrack.eval.evaluate import SequenceRun
from siamtrack.eval.results import ResultStore, SequenceResult, read_boxes

RESULT = SequenceResult(np.arange(12.0).reshape(3, 4) / 3, np.array([0, 0.01, 0.02]), np.array([1, 0.5, np.nan]))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, "cv2:csrt")
    assert store.folder == tmp_path / "results/cv2-csrt"
    assert not store.has("a", 3)
    store.write("a", RESULT)
    assert store.has("a", 3)
    found = store.read("a", 3)
    assert np.allclose(found.boxes_xywh, RESULT.boxes_xywh, atol=1e-4)
    assert np.allclose(found.seconds, RESULT.seconds)
    assert np.allclose(found.scores, RESULT.scores, equal_nan=True)
    assert store.boxes_path("a").read_text().splitlines()[1] == "1.3333,1.6667,2.0000,2.3333"


def test_a_sequence_is_finished_when_its_boxes_are_there_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import siamtrack.eval.results as results

    written: list[str] = []
    write = results.replace_file

    def stop(path: Path, data: bytes) -> None:
        if path.name == "a_001.txt":
            raise OSError(28, "No space left on device")
        written.append(path.name)
        write(path, data)

    monkeypatch.setattr(results, "replace_file", stop)
    store = ResultStore(tmp_path, "siamfc")
    with pytest.raises(OutputError, match=r"a_001\.txt cannot be written \(No space left on device\); .*goes on once it can"):
        store.write("a", RESULT)
    assert written == ["a_time.txt", "a_score.txt"]
    assert not store.has("a", 3)


def test_a_run_is_kept_with_a_line_for_the_given_frame() -> None:
    run = SequenceRun("a", RESULT.boxes_xywh, RESULT.scores, np.ones(3, bool), np.ones(2), np.array([0.01, 0.02]))
    kept = SequenceResult.of(run)
    assert kept.seconds.tolist() == [0, 0.01, 0.02]
    assert kept.measured_s.tolist() == [0.01, 0.02]
    assert not kept._replace(seconds=np.zeros(3)).measured_s.size


def test_names_may_have_folders_in_them(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, "siamfc")
    store.write("day/a", RESULT)
    assert np.allclose(store.read("day/a", 3).seconds, RESULT.seconds)


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = ResultStore(tmp_path / "file", "siamfc")
    for call in (lambda: store.claim({"tracker": "siamfc"}), lambda: store.write("a", RESULT)):
        with pytest.raises(OutputError, match=r"file/results/siamfc.* cannot be written \(Not a directory\)"):
            call()


def test_results_of_another_tracker_are_in_the_way(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, "siamfc")
    store.claim({"tracker": "siamfc", "weights_sha256": "aa", "settings": {"window": 0.3}})
    store.claim({"tracker": "siamfc", "weights_sha256": "aa", "settings": {"window": 0.3}})
    with pytest.raises(DataError, match=r"another tracker: settings, weights_sha256 differ \(settings: .*give another --out"):
        store.claim({"tracker": "siamfc", "weights_sha256": "bb", "settings": {"window": 0.2}})
    (tmp_path / "results/other/a").mkdir(parents=True)
    with pytest.raises(DataError, match="do not say whose they are"):
        ResultStore(tmp_path, "other").claim({"tracker": "other"})
    (store.folder / "tracker.json").write_text("{")
    with pytest.raises(DataError, match=r"tracker\.json is not readable as JSON"):
        store.claim({"tracker": "siamfc"})


def test_a_file_that_was_cut_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, "siamfc")
    store.write("a", RESULT)
    path = store.boxes_path("a")
    whole = path.read_text()
    path.write_text("".join(whole.splitlines(keepends=True)[:2]))
    with pytest.raises(DataError, match=r"a_001\.txt holds 2 boxes for 3 frames; .*remove it"):
        store.has("a", 3)
    path.write_text(whole[:-12])
    with pytest.raises(DataError, match=r"a_001\.txt, line 3: .* is cut"):
        store.read("a", 3)
    assert path.read_text() == whole[:-12]
    path.write_text(whole[:-4])  # 2.6667,3.0000,3.3333,3.6: still four numbers
    with pytest.raises(DataError, match=r"a_001\.txt, line 3: '.*,3\.6' is cut; remove the file"):
        store.has("a", 3)
    with pytest.raises(DataError, match=r"b_001\.txt not found"):
        store.read("b", 3)


@pytest.mark.parametrize("line", ["1,2,3", "1,2,3,4,5", "1 2 3 4", "1,2,3,nan", "1,2,3,x", ""])
def test_lines_that_are_no_box(tmp_path: Path, line: str) -> None:
    path = tmp_path / "boxes.txt"
    path.write_text(f"1,2,3,4\n{line}\n1,2,3,4\n")
    with pytest.raises(DataError, match="line 2"):
        read_boxes(path)


def test_lost_times_do_not_lose_the_boxes(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, "siamfc")
    store.write("a", RESULT)
    (store.folder / "a/a_time.txt").unlink()
    (store.folder / "a/a_score.txt").write_text("1\n1\n0.")
    found = store.read("a", 3)
    assert not found.seconds.any()
    assert np.isnan(found.scores).all()
