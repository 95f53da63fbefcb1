import re
from pathlib import Path

import pytest

import siamtrack
from siamtrack.tracking.tracker import Tracker


def test_the_contract_is_there_and_light_to_import() -> None:
    names = {"load", "track", "batch", "Tracker", "MultiTracker", "TrackResult", "State", "Box", "Step", "SiamtrackError"}
    assert names <= set(siamtrack.__all__)
    for name in set(siamtrack.__all__) - {"__version__"}:
        found = getattr(siamtrack, name)
        assert callable(found), name
        # `siamtrack.batch` is the function, and once its folder was imported the folder, which can be called.
        assert found.__name__.removeprefix("siamtrack.") == name
    assert re.fullmatch(r"\d+\.\d+\.\d+", siamtrack.__version__)
    with pytest.raises(AttributeError, match="no attribute 'trak'"):
        siamtrack.trak  # noqa: B018


def test_track_takes_a_tracker(tracker: Tracker, clip: Path) -> None:
    steps = list(siamtrack.track(clip, (60, 80, 40, 50), model=tracker, start=17))
    assert [step.index for step in steps] == [17, 18, 19]
    assert steps[0].result.score == 1
    assert steps[0].frame.shape == (240, 320, 3)


def test_settings_beside_a_tracker_are_not_dropped_in_silence(tracker: Tracker, clip: Path) -> None:
    with pytest.raises(ValueError, match="window_influence given beside a tracker"):
        next(siamtrack.track(clip, (60, 80, 40, 50), model=tracker, window_influence=0.2))
