import inspect
import json
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas
import pytest
import supervision
from rendered import rendered_frame

import siamtrack
from siamtrack.drawing import COLORS
from siamtrack.errors import OutputError, SiamtrackError, SourceError
from siamtrack.tracking.tracker import Tracker

BOX = (60, 80, 40, 50)


def test_the_contract_is_there_and_light_to_import() -> None:
    names = {"load", "track", "batch", "Tracker", "MultiTracker", "TrackResult", "State", "Box", "Step", "SiamtrackError"}
    assert names <= set(siamtrack.__all__) == set(dir(siamtrack))
    for name in set(siamtrack.__all__) - {"__version__"}:
        found = getattr(siamtrack, name)
        assert callable(found), name
        # `siamtrack.batch` is the function, and once its folder was imported the folder, which can be called.
        assert found.__name__.removeprefix("siamtrack.") == name
    assert re.fullmatch(r"\d+\.\d+\.\d+", siamtrack.__version__)
    with pytest.raises(AttributeError, match="no attribute 'trak'"):
        siamtrack.trak  # noqa: B018


def test_everything_public_says_what_it_is() -> None:
    for name in set(siamtrack.__all__) - {"__version__", "batch"}:
        found = getattr(siamtrack, name)
        assert inspect.getdoc(found), name
        own = vars(found).items() if inspect.isclass(found) else ()
        members = [(key, value) for key, value in own if not key.startswith("_")]
        for key, value in members:
            if inspect.isfunction(value) or isinstance(value, property):
                assert inspect.getdoc(value), f"{name}.{key}"


def test_track_takes_a_tracker(tracker: Tracker, clip: Path) -> None:
    steps = list(siamtrack.track(clip, BOX, model=tracker, start=17))
    assert [step.index for step in steps] == [17, 18, 19]
    assert steps[0].result.score == 1
    assert steps[0].frame.shape == (240, 320, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"window_influence": 0.2}, ValueError, "window_influence given beside a tracker"),
        ({"box": (1, 2, 3)}, ValueError, "has 3 numbers; give"),
        ({"box": (900, 80, 40, 50)}, ValueError, "lies outside the 320x240 frame"),
        ({"start": -1}, ValueError, "start is -1"),
        ({"start": 20}, SourceError, "20 frames; frame 20 was asked for"),
        ({"source": "nowhere.mp4"}, FileNotFoundError, "nowhere.mp4 not found"),
        ({"overlay": True}, ValueError, "overlay=True without save"),
        ({"save": "/dev/null/x"}, OutputError, "cannot be written"),
        ({"model": "siamfx"}, FileNotFoundError, "did you mean 'siamfc'"),
        ({"model": "siamfc", "windo": 1}, ValueError, "unknown key 'windo'"),
    ],
)
def test_what_is_wrong_is_told_by_the_call_itself(
    tracker: Tracker, clip: Path, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    given: dict[str, Any] = {"source": clip, "box": BOX, "model": tracker, **arguments}
    with pytest.raises(error, match=message):
        siamtrack.track(**given)


def test_steps_and_results_are_one_line_and_draw_themselves(tracker: Tracker, clip: Path) -> None:
    steps = siamtrack.track(clip, BOX, model=tracker)
    assert "from frame 0 on" in repr(steps)
    first, second = next(steps), next(steps)
    assert repr(first) == (
        "Step(index=0, time_s=0.000, frame=320x240, TrackResult(x=60.0, y=80.0, w=40.0, h=50.0, score=1.00, TRACKING))"
    )
    untouched = second.frame.copy()
    image = second.plot("a name")
    assert (second.frame == untouched).all()
    assert (image == COLORS["TRACKING"]).all(axis=-1).sum() > 100
    np.testing.assert_array_equal(image, second.result.plot(untouched, "a name"))
    shown = cv2.imdecode(np.frombuffer(second._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(shown, second.plot())
    assert "score=" in second.result._repr_html_()
    large = siamtrack.Step(0, 0.0, np.zeros((50, 4000, 3), np.uint8), second.result)
    assert cv2.imdecode(np.frombuffer(large._repr_png_(), np.uint8), cv2.IMREAD_COLOR).shape == (12, 960, 3)
    with pytest.raises(ValueError, match="frame is str"):
        second.result.plot("frame.png")
    steps.close()
    assert list(steps) == []


def test_a_run_that_is_saved_gives_the_same_results(tracker: Tracker, clip: Path, tmp_path: Path) -> None:
    steps = list(siamtrack.track(clip, BOX, model=tracker))
    results = siamtrack.track(clip, BOX, model=tracker, save=tmp_path / "run", overlay=True)
    assert {path.name for path in results.folder.iterdir()} == {"boxes.csv", "boxes.txt", "run.json", "overlay.mp4"}
    assert repr(results) == f"RunResults({tmp_path / 'run'}: 20 frames of {clip}, 0 LOST)"
    assert len(results) == len(steps) == len(list(results)) == 20
    np.testing.assert_allclose(results.boxes_xywh, [step.result.box for step in steps], atol=6e-4)
    np.testing.assert_allclose(results.scores, [step.result.score for step in steps], atol=6e-5)
    for step in (results[-1], results[7:20:12][-1]):
        assert step.index == 19
        np.testing.assert_array_equal(step.frame, steps[19].frame)
        assert step.result.state is siamtrack.State.TRACKING
    with pytest.raises(IndexError, match="no result 20; the run has 20 frames"):
        results[20]
    table = results.to_pandas()
    pandas.testing.assert_frame_equal(table, pandas.read_csv(results.folder / "boxes.csv"))
    assert siamtrack.track(clip, BOX, model=tracker, start=18).to_pandas().columns.tolist() == table.columns.tolist()
    # As anyone may read it, with what the command line wrote.
    about = json.loads((results.folder / "run.json").read_text())
    assert about["box"] == [*map(float, BOX)]
    assert len(siamtrack.RunResults(str(tmp_path / "run"))) == 20
    with pytest.raises(FileNotFoundError, match=r"holds no boxes\.csv; there are run below it"):
        siamtrack.RunResults(tmp_path)


def test_results_whose_source_is_gone_have_boxes_and_no_frames(tracker: Tracker, tmp_path: Path, write_clip: Any) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=3)
    results = siamtrack.track(clip, BOX, model=tracker, save=tmp_path / "run")
    clip.unlink()
    assert len(siamtrack.RunResults(results.folder).scores) == 3
    with pytest.raises(FileNotFoundError, match=r"clip\.mp4 not found"):
        results[0]


def test_a_source_that_breaks_off_is_told_of(tracker: Tracker, tmp_path: Path) -> None:
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), rendered_frame(i)[0])
    (tmp_path / "2.png").write_bytes(b"no image")  # the last: one before it would be left out
    steps = siamtrack.track(tmp_path, BOX, model=tracker)
    assert [next(steps).index, next(steps).index] == [0, 1]
    with pytest.raises(SourceError, match=r"2\.png cannot be read"):
        next(steps)
    with pytest.warns(UserWarning, match="the results of the 2 frames before are in"):
        results = siamtrack.track(tmp_path, BOX, model=tracker, save=tmp_path / "run")
    assert len(results) == 2


def test_many_targets_by_name() -> None:
    group = siamtrack.load_multi(device="cpu")
    frame, box = rendered_frame(0)
    for name in ("car", "bus"):
        assert group.add(name, frame, box).score == 1
    found = group.update(rendered_frame(1)[0])
    assert list(found) == ["car", "bus"]
    assert found.plot(frame).shape == frame.shape
    group.remove("car")
    group.add(("any", "name"), frame, box)
    found = group.update(rendered_frame(2)[0])
    detections = found.to_supervision()
    assert isinstance(detections, supervision.Detections)
    assert detections.tracker_id.tolist() == [2, 3]  # an id stays with its target
    assert detections.data["class_name"].tolist() == ["bus", "('any', 'name')"]
    x, y, w, h = found["bus"].box
    np.testing.assert_allclose(detections.xyxy[0], [x, y, x + w, y + h], rtol=1e-6)
    assert supervision.BoxAnnotator().annotate(frame.copy(), detections).shape == frame.shape
    assert found.to_pandas()["target"].tolist() == ["bus", ("any", "name")]
    assert found["bus"].to_supervision().data["state"].tolist() == ["TRACKING"]
    assert pickle.loads(pickle.dumps(found)).to_pandas().equals(found.to_pandas())
    assert len(siamtrack.load_multi(device="cpu").update(frame).to_supervision()) == 0
    with pytest.raises(KeyError, match="car"):
        group.remove("car")


@pytest.mark.parametrize("package", ["pandas", "supervision"])
def test_a_package_that_is_missing_is_one_line_that_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    result = siamtrack.TrackResult(siamtrack.Box(1, 2, 3, 4), 0.5, siamtrack.State.LOST)
    with pytest.raises(SiamtrackError, match=rf"^to_{package}\(\) needs {package}, .* pip install '\.\[{package}\]' [^\n]*$"):
        getattr(result, f"to_{package}")()
