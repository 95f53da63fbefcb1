from __future__ import annotations

import pytest

from siamtrack.errors import ConfigError
from siamtrack.eval.named import TrackerSpec, read_settings
from siamtrack.tracking.tracker import Tracker


def test_a_name_may_say_where_its_tracker_runs() -> None:
    tracker, weights = TrackerSpec("siamfc,precision=float16,backend=torch,scale_count=3", device="cpu", backend="onnx").ours()
    network = tracker.backend
    assert (network.device, network.precision, network.name) == ("cpu", "float16", "torch")
    assert tracker.config.scale_count == 3
    assert weights.header.model == "siamfc"


def test_its_own_settings_come_after_those_of_all() -> None:
    tracker = TrackerSpec("siamfc,backend=torch", ("backend=onnx", "precision=float32", "device=cpu")).make()
    assert isinstance(tracker, Tracker)
    assert (tracker.backend.name, tracker.backend.precision) == ("torch", "float32")


def test_whether_it_re_detects_is_one_argument_and_its_own_word_is_the_last() -> None:
    named = [TrackerSpec(name, redetect=False).ours()[0] for name in ("siamfc", "siamfc,redetect=true")]
    assert [one.config.redetect for one in named] == [False, True]
    assert TrackerSpec("siamfc").ours()[0].config.redetect


def test_places_that_are_none_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="device '3' is unknown"):
        TrackerSpec("siamfc,device=3").make()
    with pytest.raises(ValueError, match="did you mean 'onnx'"):
        TrackerSpec("siamfc,backend=onyx", precision="float32").make()
    with pytest.raises(ConfigError, match="did you mean 'scale_count'"):
        TrackerSpec("siamfc,scale_cont=3").make()


def test_settings_are_read_as_yaml_and_the_last_of_a_key_counts() -> None:
    assert read_settings(["redetect=false", "search_sizes=[191, 223]", "redetect=true"]) == {
        "redetect": True,
        "search_sizes": [191, 223],
    }
    with pytest.raises(ConfigError, match="is not KEY=VALUE"):
        read_settings(["redetect"])
    with pytest.raises(ConfigError, match="cannot be read; write it as in YAML"):
        read_settings(["search_sizes=[191"])
