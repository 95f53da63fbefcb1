"""Which runtime is the fastest here: measured once for a machine and a tracker, kept in the cache folder, read after that."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from siamtrack import __version__
from siamtrack.errors import SiamtrackError
from siamtrack.model.siamese import Siamese
from siamtrack.system import cache_folder, processor_name, read_cached, write_cached
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.locator import View
from siamtrack.tracking.locators import make_locator
from siamtrack.tracking.placement import RUNTIMES, native_bfloat16, pick_device, place

FORMAT = 2
"""Part of what an answer is kept under: raise it when looks are measured otherwise."""

ROUNDS = 9
"""Looks of each runtime that count, at every size."""

MARGIN = 0.05
"""How much faster than `auto`'s choice, as a share, another must be: noise alone is some per cent."""

Look = Callable[[], object]
"""One look for a target at each of a tracker's sizes."""


def fastest_engine(net: Siamese, config: TrackerConfig, device: str = "auto", precision: str = "auto") -> Engine:
    """An engine by the runtime that was the fastest here, which it names; measured now if that was not done before.

    With the precision `auto` each runtime is measured in its own: PyTorch in bfloat16, say, against ONNX Runtime in
    float32. Measuring takes seconds, and the better part of a minute a size where networks are compiled for it. A runtime that
    fails is left out. What cannot be read in the cache folder is measured anew, what cannot be written there is forgotten.

    Args:
        net: a trained network. config: the tracker's constants, of which the sizes of crops count.
        device, precision: as for `Engine`.

    Raises:
        ValueError: unknown device or precision.
    """
    usual = place(net.backbone.dense, device, precision)
    where, case = str(usual.device), _case(net.model, config, usual.device, precision)
    kept = _read(case)
    if kept is not None:
        try:
            return Engine(net, where, precision, kept)
        except (SiamtrackError, ValueError):
            pass  # what it needs was there, and is gone
    engines, looks = _ready(net, config, where, precision)
    times = medians(looks)
    if not times:  # not even PyTorch works: this one will say what is wrong
        return Engine(net, where, precision, usual.runtime)
    winner = choose(times, usual.runtime)
    _write(case, winner, times)
    engines[winner].network_s, engines[winner].network_calls = 0.0, 0
    return engines[winner]


def kept_answer(model: str, config: TrackerConfig, device: str = "auto", precision: str = "auto") -> str | None:
    """The runtime that was found to be the fastest before; None if it was not measured. Arguments and errors as above."""
    return _read(_case(model, config, pick_device(device), precision))


def medians(
    works: Mapping[str, Look], rounds: int = ROUNDS, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median seconds of each piece of work.

    They are done in turns, so that whatever else the machine does disturbs them alike. A first round, in which graphs are
    exported and compiled, does not count. Work that raises is left out.
    """
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(1 + rounds):
        for name in list(taken):
            began = clock()
            try:
                works[name]()
            except Exception:  # libraries fail in ways of their own, and there are others
                del taken[name]
            else:
                taken[name].append(clock() - began)
    return {name: statistics.median(seconds[1:]) for name, seconds in taken.items()}


def choose(times: Mapping[str, float], usual: str) -> str:
    """The name with the fewest seconds; the usual one where no other is faster by more than `MARGIN`."""
    best = min(times, key=lambda name: times[name])
    return usual if usual in times and times[usual] * (1 - MARGIN) <= times[best] else best


def _ready(net: Siamese, config: TrackerConfig, device: str, precision: str) -> tuple[dict[str, Engine], dict[str, Look]]:
    """An engine of every runtime that can be had here, and its look."""
    engines, looks = {}, {}
    for name in RUNTIMES:
        try:
            engine = Engine(net, device, precision, name)
            looks[name] = _look(engine, config)
        except Exception:  # not for this device or precision, not installed, or broken
            continue
        engines[name] = engine
    return engines, looks


def _look(engine: Engine, config: TrackerConfig) -> Look:
    """What a tracker does in every frame, over noise: how long it takes does not depend on what is seen."""
    locator = make_locator(engine, config)
    frame = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    learned = View(frame, (640.0, 360.0), (60.0, 60.0), 120.0, (0.0, 0.0, 0.0))
    exemplar = locator.learn(learned)
    views = [replace(learned, side=learned.side * size / config.exemplar_size, size=size) for size in config.sizes]
    return lambda: [locator.find([exemplar], [view]) for view in views]


def _case(model: str, config: TrackerConfig, device: torch.device, precision: str) -> dict[str, Any]:
    """Everything that an answer depends on, as JSON keeps it."""
    packages = {name: _version(name) for name in ("onnxruntime", "openvino")}
    return {
        "format": FORMAT,
        "versions": {"siamtrack": __version__, "torch": str(torch.__version__), **packages},
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "precision": precision,
        "native_bfloat16": native_bfloat16(device),
        "model": model,
        "scale_search": config.scale_search,
        "scale_count": config.scale_count,
        "search_size": config.search_size,
        "sizes": list(config.sizes),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _path(case: Mapping[str, Any]) -> Path:
    digest = hashlib.sha256(json.dumps(case, sort_keys=True).encode()).hexdigest()
    return cache_folder("fastest") / f"{case['model']}-{digest[:16]}.json"


def _read(case: Mapping[str, Any]) -> str | None:
    """The answer kept for a case; None where there is none, or a file that is damaged or of another case."""
    data = read_cached(_path(case))
    try:
        found = json.loads(data) if data is not None else None
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("case") != case or found.get("runtime") not in RUNTIMES:
        return None
    return str(found["runtime"])


def _write(case: Mapping[str, Any], winner: str, times: Mapping[str, float]) -> None:
    """Keep an answer, with the milliseconds of all, for whoever wants to know."""
    ms = {name: round(1e3 * seconds, 3) for name, seconds in times.items()}
    write_cached(_path(case), (json.dumps({"runtime": winner, "ms": ms, "case": case}, indent=2) + "\n").encode())
