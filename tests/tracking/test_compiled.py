"""`compile`, held to PyTorch as test_runtimes.py holds the others, on the smallest search crops: compiling takes long."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from siamtrack.errors import ConfigError
from siamtrack.model.siamese import Siamese
from siamtrack.model.weights import load_weights
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.placement import pick_precision, pick_runtime
from siamtrack.tracking.runtimes.compiled import compiled, padded
from siamtrack.tracking.runtimes.runtime import BoxResponse

SIZE = 159

needs_compiler = pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="no C++ compiler")


class Looks:
    """Three search crops, the exemplars that are looked for in them, and both engines."""

    def __init__(self, model: str) -> None:
        self.net: Siamese = load_weights(model).net
        self.ours, self.theirs = (Engine(self.net, "cpu", "float32", runtime) for runtime in ("compile", "eager"))
        self.crops = list(np.random.default_rng(1).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8))
        self.exemplar = self.theirs.embed(self.crops)[..., 2:8, 2:8]  # not contiguous, as nobody promised

    def match_box(self, engine: Engine, part: slice) -> list[BoxResponse]:
        size_wh = torch.tensor([[40.0, 60.0], [55.0, 30.0], [20.0, 20.0]])
        return engine.match_box(self.exemplar[part], self._kernel[part], self.crops[part], size_wh[part])

    @property
    def _kernel(self) -> Tensor:
        return self.theirs.box_kernel(self.exemplar.contiguous())


@needs_compiler
def test_boxes_are_pytorchs_and_the_same_alone_to_the_last_bit() -> None:
    looks = Looks("siamfc-box")
    assert looks.ours.runtime == "compile"
    together = looks.match_box(looks.ours, slice(3))
    for mine, reference in zip(together, looks.match_box(looks.theirs, slice(3)), strict=True):
        for name, expected in reference._asdict().items():
            atol = 2e-4 * max(1.0, float(np.abs(expected).max()))
            np.testing.assert_allclose(getattr(mine, name), expected, rtol=1e-3, atol=atol, err_msg=name)
    for i in range(3):
        (alone,) = looks.match_box(looks.ours, slice(i, i + 1))
        assert all(np.array_equal(one, other) for one, other in zip(alone, together[i], strict=True))


@needs_compiler
def test_one_process_may_compile_any_number_of_graphs() -> None:
    def squared(size: int) -> Tensor:
        square: Tensor = compiled(lambda matrix: matrix @ matrix, {})(torch.ones(size, size))
        return square

    for size in range(2, 12):  # PyTorch refuses the ninth form of one function
        assert torch.equal(squared(size), torch.full((size, size), float(size)))


def test_a_number_of_targets_is_padded_to_a_power_of_two() -> None:
    for count, room in ((1, 1), (2, 2), (3, 4), (5, 8), (8, 8)):
        values, pairs = torch.arange(count), torch.arange(2 * count).reshape(count, 2)
        for given, made in zip((values, pairs), padded([values, pairs]), strict=True):
            assert len(made) == room
            assert torch.equal(made[:count], given)
            assert all(torch.equal(row, given[-1]) for row in made[count:])


def test_it_runs_wherever_pytorch_does() -> None:
    for device in map(torch.device, ("cpu", "cuda")):
        for precision in ("float32", "bfloat16", "float16"):
            assert pick_runtime("compile", device, precision) == "compile"
    assert pick_precision("auto", torch.device("cpu"), "compile") == pick_precision("auto", torch.device("cpu"), "eager")


@pytest.mark.parametrize("broken", [False, True])
def test_without_a_compiler_one_line_says_so_before_anything_is_tracked(broken: bool, tmp_path: Path, clip: Path) -> None:
    compiler = tmp_path / "g++"
    if broken:  # it is there, says its version, and knows nothing else
        compiler.write_text(
            '#!/bin/sh\n[ "$1" = --version ] && echo "g++ 12" && exit 0\necho "x.h: error: no headers" >&2\nexit 1\n'
        )
        compiler.chmod(0o755)
    given = ("track", clip, "--box", "60,80,40,50", "--out", tmp_path / "out", "--runtime", "compile", "--precision", "float32")
    done = subprocess.run(
        [sys.executable, "-m", "siamtrack", *map(str, given), "--device", "cpu"],
        capture_output=True,
        text=True,
        env=os.environ | {"CXX": str(compiler), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")},
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "runtime 'compile' needs a C++ compiler such as g++" in line
    assert "use auto or onnx" in line
    assert ("no headers" in line) == broken
    assert not (tmp_path / "out").exists()


@needs_compiler
def test_a_graph_that_cannot_be_compiled_is_one_line_too() -> None:
    from torch._inductor import config

    looks = Looks("siamfc")
    with config.patch({"cpp.cxx": (None, "gone/g++")}), pytest.raises(ConfigError, match="'match' for crops of 159") as error:
        looks.ours.match(looks.exemplar[:1, None], looks.crops[:1])
    assert "\n" not in str(error.value)
    assert error.value.__suppress_context__
