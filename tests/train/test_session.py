from __future__ import annotations

from pathlib import Path

import pytest
import torch

from siamtrack.data.layout import find_sequences
from siamtrack.train import session
from siamtrack.train.session import MAX_LOADERS, loading_processes, read_recipe

CONFIGS = Path(__file__).parents[2] / "configs"
TRAIN = Path(__file__).parents[3] / "shared/data/sequences/train"


@pytest.mark.parametrize(
    ("asked", "device", "cores", "gpus", "expected"),
    [
        (None, "cpu", 64, 1, 1),
        (None, "cuda", 16, 1, 15),
        (None, "cuda:3", 64, 8, 7),
        (None, "cuda", 256, 1, MAX_LOADERS),
        (None, "cuda", 2, 8, 1),
        (0, "cuda", 16, 1, 0),
        (5, "cpu", 2, 1, 5),
    ],
)
def test_a_gpu_is_fed_by_its_share_of_the_cores(
    monkeypatch: pytest.MonkeyPatch, asked: int | None, device: str, cores: int, gpus: int, expected: int
) -> None:
    monkeypatch.setattr(session, "usable_cores", lambda: cores)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(gpus))
    assert loading_processes(asked, torch.device(device)) == expected


def test_a_file_of_names_is_left_out_of_a_source(tmp_path: Path) -> None:
    (tmp_path / "held.txt").write_text("# chosen on\nTLP_Bike\n\nTLP_Bike-b\n")
    path = tmp_path / "recipe.yaml"
    path.write_text('sources: [{path: train, exclude: ["AUTO_*", "@held.txt"]}, {path: stills.tar}]\n')
    assert [source.exclude for source in read_recipe(path).sources] == [("AUTO_*", "TLP_Bike", "TLP_Bike-b"), ()]
    (tmp_path / "held.txt").unlink()
    with pytest.raises(FileNotFoundError):
        read_recipe(path)


def test_the_dev_list_holds_whole_videos() -> None:
    dev = read_recipe(CONFIGS / "train_siamfc-lite_long.yaml").sources[0].exclude
    assert 40 <= len(dev) == len(set(dev)) <= 50
    for name in dev:
        assert not name.startswith("AUTO_"), "labelled by a teacher"
        if name.endswith("-b"):
            assert name.removesuffix("-b") in dev


@pytest.mark.skipif(not TRAIN.is_dir(), reason="the sequences are not part of the repository")
def test_no_video_is_in_dev_and_in_training() -> None:
    names = {sequence.name for sequence in find_sequences(TRAIN)}
    dev = set(read_recipe(CONFIGS / "train_siamfc-lite_long.yaml").sources[0].exclude)
    assert dev <= names
    for one in dev:
        # Parts of a video have its name and -b; targets of a video its name and _N.
        video = one.removesuffix("-b")
        assert not {video, video + "-b"} & (names - dev)
        if "_group" in one or "_truck4" in one or "_car16" in one:
            assert not [name for name in names - dev if name.startswith(one.rpartition("_")[0] + "_")]
