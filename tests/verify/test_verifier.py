from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from glyphs import letter

import siamtrack
from siamtrack.config import to_plain
from siamtrack.errors import ConfigError, DataError, SiamtrackError, WeightsError
from siamtrack.model.tensors import read_tensors, write_tensors
from siamtrack.tracking.crop import SearchRegion, context_side, mean_color
from siamtrack.verify.header import OperatingPoint, TowerSpec, VerifierHeader
from siamtrack.verify.network import load_verifier, make_network, save_verifier
from siamtrack.verify.verifier import Verifier


@pytest.fixture(scope="module")
def verifier(weights: Path) -> Verifier:
    return siamtrack.Verifier(weights, device="cpu", false_accept=0.1)


def test_a_thing_is_the_same_as_itself_and_like_things_are_nearer(verifier: Verifier, letters: Path) -> None:
    same = verifier.verify(letters / "A/0.png", letters / "A/0.png")
    assert same.distance == 0
    assert same.same
    assert same.score > 0.5
    assert same.threshold == verifier.threshold
    assert same.false_accept <= 0.1
    near = verifier.distance(letters / "A/0.png", letters / "A/2.png")
    far = [verifier.distance(letters / "A/0.png", letters / f"{other}/0.png") for other in "BCDEFGHKLMN"]
    assert near < np.median(far)
    assert verifier.distance(letters / "A/0.png", letters / "B/0.png") == verifier.distance(
        letters / "B/0.png", letters / "A/0.png"
    )


def test_files_and_arrays_are_one(verifier: Verifier, letters: Path) -> None:
    path = letters / "D/2.png"
    picture = cv2.imread(str(path))
    vectors = verifier.embed([path, str(path), picture, picture[..., 0], np.dstack([picture, picture[..., 0]])])
    assert vectors.shape == (5, 16)
    assert np.allclose(vectors, vectors[0], atol=1e-6)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert verifier.embed([]).shape == (0, 16)


def test_a_score_falls_with_distance_and_is_one_half_at_the_midpoint(verifier: Verifier) -> None:
    scores = [verifier.judge(distance).score for distance in np.linspace(0, 2, 9)]
    assert scores == sorted(scores, reverse=True)
    assert verifier.judge(verifier.header.midpoint).score == pytest.approx(0.5)
    assert not verifier.judge(np.nextafter(verifier.threshold, 9)).same
    assert verifier.judge(verifier.threshold).same


def test_enrol_identify_and_keep_a_gallery(verifier: Verifier, weights: Path, letters: Path, tmp_path: Path) -> None:
    verifier = Verifier(weights, device="cpu", false_accept=0.1)
    with pytest.raises(SiamtrackError, match="empty"):
        verifier.identify(letters / "A/0.png")
    for name in "ABCDEF":
        verifier.enroll(name, [letters / name / "0.png", letters / name / "2.png"])
    found = verifier.identify(letters / "C/0.png", count=3)
    assert found[0].name == "C"
    assert found[0].distance == pytest.approx(0, abs=1e-3)
    assert found[0].same
    assert len(found) == 3
    assert [item.distance for item in found] == sorted(item.distance for item in found)
    verifier.gallery.save(tmp_path / "letters.safetensors")
    other = Verifier(weights, device="cpu")
    other.open_gallery(tmp_path / "letters.safetensors")
    again = other.identify(letters / "C/0.png", count=3)
    assert [(item.name, item.distance) for item in again] == [(item.name, item.distance) for item in found]


def test_learned_weights_of_the_absolute_difference_reach_the_gallery(tmp_path: Path, letters: Path) -> None:
    header = VerifierHeader(
        tower=TowerSpec("cnn", dim=8, size=32, gray=True, width=4),
        similarity="absolute",
        operating_points=(OperatingPoint(0.01, 0.2, 0.5),),
    )
    net = make_network(header)
    net.similarity.raw_weight.data.uniform_(-3, 3)
    save_verifier(tmp_path / "absolute.safetensors", net, header)
    verifier = Verifier(tmp_path / "absolute.safetensors", device="cpu")
    verifier.enroll("A", [letters / "A/0.png"])
    found = verifier.identify(letters / "B/0.png")[0]
    assert found.distance == pytest.approx(verifier.distance(letters / "A/0.png", letters / "B/0.png"), rel=1e-5)


def test_a_gallery_of_other_weights_is_refused(verifier: Verifier, letters: Path, weights: Path, tmp_path: Path) -> None:
    verifier.enroll("A", [letters / "A/0.png"])
    verifier.gallery.save(tmp_path / "gallery.safetensors")
    file = read_tensors(weights)
    write_tensors(tmp_path / "other.safetensors", file.state, {**file.header, "midpoint": 0.5})
    other = Verifier(tmp_path / "other.safetensors", device="cpu")
    with pytest.raises(DataError, match=r"enrolled with weights .*, these are"):
        other.open_gallery(tmp_path / "gallery.safetensors")


def test_a_threshold_is_never_laxer_than_asked_for(weights: Path) -> None:
    header = load_verifier(weights).header
    for point in header.operating_points:
        assert header.threshold_at(point.false_accept) == point
        assert header.threshold_at(point.false_accept * 1.01) == point
    strictest = header.operating_points[-1]
    assert header.threshold_at() == (strictest if strictest.false_accept > 0.01 else header.threshold_at(0.01))
    with pytest.raises(ValueError, match=r"false-accept rate 1e-09 is below the strictest that was measured"):
        Verifier(weights, false_accept=1e-9)
    with pytest.raises(ValueError, match="state no thresholds"):
        VerifierHeader().threshold_at(0.1)


def test_crops_are_those_of_the_tracker(verifier: Verifier) -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (90, 120, 3), np.uint8)
    window = SearchRegion((50, 40), context_side((30, 20)), 32)
    assert np.array_equal(verifier.crop(frame, (35, 30, 30, 20)), window.extract(frame, mean_color(frame)))


def test_what_is_no_item_is_refused(verifier: Verifier, tmp_path: Path, letters: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        verifier.distance(letters / "A/0.png", tmp_path / "missing.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.png"):
        verifier.distance(letters / "A/0.png", tmp_path / "broken.png")
    with pytest.raises(ValueError, match="float"):
        verifier.embed([np.zeros((8, 8, 3))])


def test_other_files_are_no_verifier(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no verifier 'verifer'; did you mean 'verifier'\?"):
        Verifier("verifer")
    with pytest.raises(FileNotFoundError, match="not found"):
        Verifier(tmp_path / "none.safetensors")
    from siamtrack.model.weights import ASSETS

    with pytest.raises(WeightsError, match=r"holds a tracker \(siamfc\)"):
        Verifier(ASSETS / "siamfc.safetensors")
    with pytest.raises(WeightsError, match="holds a verifier, which tracks nothing"):
        siamtrack.load(weights)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(weights.read_bytes()[:-40])
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        Verifier(cut)
    file = read_tensors(weights)
    wrong = {**file.header, "tower": {**file.header["tower"], "dim": 99}}
    write_tensors(tmp_path / "wrong.safetensors", file.state, wrong)
    with pytest.raises(WeightsError, match=r"has shape .*expected"):
        Verifier(tmp_path / "wrong.safetensors")


def test_a_header_that_asks_for_too_much_is_refused_before_a_network_is_made(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = load_verifier(weights)
    header = to_plain(file.header)
    for tower, why in (({"dim": 10**12}, "dim is 10"), ({"width": 1024, "dim": 4096}, "shape")):
        write_tensors(tmp_path / "a.safetensors", file.net.state_dict(), {**header, "tower": {**header["tower"], **tower}})
        with monkeypatch.context() as patch:
            patch.setattr(torch.Tensor, "normal_", lambda *_, **__: pytest.fail("numbers were drawn for it"))
            patch.setattr("siamtrack.verify.network.fill", lambda *_: pytest.fail("it was filled"))
            with pytest.raises((WeightsError, ConfigError), match=rf"a\.safetensors.*{why}"):
                load_verifier(tmp_path / "a.safetensors")


def test_a_threshold_that_accepts_nothing_is_read_back(weights: Path, tmp_path: Path) -> None:
    file = load_verifier(weights)
    header = replace(file.header, operating_points=(OperatingPoint(0.01, -math.inf, 0.0),))
    save_verifier(tmp_path / "a.safetensors", file.net, header)
    assert load_verifier(tmp_path / "a.safetensors").header.operating_points[0].threshold == -math.inf


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ((200, 200, 10, 10), "outside the 64x48 frame"),
        ((0, 0, 0, 10), "zero or less"),
        ((0, 0, -5, -5), "zero or less"),
        ((1e300, 0, 1e300, 5), "outside"),
        ((10**400, 0, 5, 5), "not finite"),
        ("5678", "not four numbers"),
    ],
    ids=range(6),
)
def test_boxes_to_crop_are_checked(verifier: Verifier, box: Any, why: str) -> None:
    frame = np.zeros((48, 64, 3), np.uint8)
    with pytest.raises(ValueError, match=why):
        verifier.crop(frame, box)
    assert verifier.crop(frame, (-1e300, -1e300, 2e300, 2e300)).shape == verifier.crop(frame, (0, 0, 1, 1)).shape


def test_without_pytorch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("siamtrack.verify.network")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SiamtrackError, match=r"a verifier needs PyTorch.*\[torch\]"):
        Verifier()


def test_the_header_is_plain_json(weights: Path) -> None:
    data = weights.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["siamtrack"])
    assert header["model"] == "verifier"
    assert header["training"]["recipe"]["loss"] == "triplet"


def test_the_card_is_of_the_shipped_weights() -> None:
    card = (Path(__file__).parents[2] / "docs/models/verifier.md").read_text(encoding="utf-8")
    assert f"sha256 `{load_verifier('verifier').sha256[:16]}...`" in card


def test_letters_are_where_the_tests_think_they_are() -> None:
    assert (letter("A", 0) < 128).any()
    assert (letter("A", 0)[:2] == 255).all()
