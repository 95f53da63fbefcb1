from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from siamtrack.tracking import peak

CODE = """
import numpy as np
from siamtrack.tracking.peak import find_peak, hann_window
print(find_peak(np.zeros((1, 17, 17), np.float32), np.ones(1, np.float32), hann_window(17), 0.3).scale)
"""


def run(home: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"} | {"HOME": str(home)}
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=environment, check=True)
    return result.stdout.strip()


def test_machine_code_is_kept_in_the_users_cache_and_not_in_the_package(tmp_path: Path) -> None:
    package = Path(peak.__file__).parent
    before = set(package.rglob("*.nb[ci]"))
    assert run(tmp_path) == "0"
    assert list((tmp_path / ".cache/siamtrack").rglob("*.nbc"))
    assert set(package.rglob("*.nb[ci]")) == before


def test_kernels_compile_where_no_cache_can_be_written(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("a file where a folder should be")
    before = set(Path(peak.__file__).parent.rglob("*.nb[ci]"))
    assert run(home) == "0"
    assert set(Path(peak.__file__).parent.rglob("*.nb[ci]")) == before
