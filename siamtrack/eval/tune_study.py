"""The SQLite file of a search over tracker constants: whose it is, and that one process at a time uses it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamtrack.errors import SiamtrackError, import_extra, reason
from siamtrack.lock import lock_file

if TYPE_CHECKING:
    import optuna

NAME = "siamtrack-tune"
"""Of the study in its file."""


def import_optuna() -> Any:
    """The module, quiet.

    Raises:
        SiamtrackError: it is not installed.
    """
    library = import_extra("optuna", "tune", "tuning needs Optuna")
    library.logging.set_verbosity(library.logging.WARNING)
    return library


def open_study(path: Path, identity: Mapping[str, Any]) -> optuna.Study:
    """The study in a SQLite file, which is made whole, with its identity, if it is not there.

    Raises:
        SiamtrackError: the file is not such a study, or has another identity; the message names what differs.
    """
    library = import_optuna()
    now = json.loads(json.dumps(identity))
    if not path.exists():
        partial = path.with_name(f"{path.name}.part")
        partial.unlink(missing_ok=True)
        storage = library.storages.RDBStorage(f"sqlite:///{partial}")
        library.create_study(study_name=NAME, storage=storage, direction="maximize").set_user_attr("identity", now)
        storage.remove_session()
        storage.engine.dispose()
        os.replace(partial, path)
    # Asked of SQLite first: Optuna would add its tables to any database.
    try:
        with closing(sqlite3.connect(path)) as database:
            found = database.execute("SELECT 1 FROM studies WHERE study_name = ?", (NAME,)).fetchone()
    except sqlite3.DatabaseError:
        found = None
    if not found:
        raise SiamtrackError(f"{path} holds no search of siamtrack tune; give --study a new file, or one of an earlier search")
    try:
        study: optuna.Study = library.load_study(study_name=NAME, storage=f"sqlite:///{path}")
    except RuntimeError as error:
        raise SiamtrackError(f"{path} was made by another version of Optuna ({reason(error)})") from error
    changed = _differences(study.user_attrs.get("identity", {}), now)
    if changed:
        listed = "; ".join([*changed[:4], f"and {len(changed) - 4} more"] if len(changed) > 5 else changed)
        raise SiamtrackError(f"{path} is a search for something else: {listed}. Give another --study, or the old arguments")
    return study


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep a second process out of a study: it would take the first one's running trial for a dead one.

    Raises:
        SiamtrackError: another process has it, or the lock's file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_name(f"{path.name}.lock").open("w")
    except OSError as error:
        raise SiamtrackError(f"{path} cannot be written ({error.strerror}); give --study a file that can") from error
    with file:
        if not lock_file(file.fileno()):
            raise SiamtrackError(f"{path} is in use by another search; wait for its end, or give another --study")
        yield


def _differences(was: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key in sorted({*was, *now}):
        before, after = was.get(key), now.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            found += _differences(before, after, f"{prefix}{key}.")
        elif before != after:
            found.append(f"{prefix}{key} (was {_short(before)}, is {_short(after)})")
    return found


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."
