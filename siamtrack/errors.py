"""The small tree of errors that siamtrack raises on purpose.

Each message carries three things: what was seen, what was wanted, what to do. The command line prints
it as one line on stderr and exits with status 2; from Python it is raised as it is.
"""

from __future__ import annotations


class SiamtrackError(Exception):
    """Base of every error of this package that is not a plain `ValueError` or `FileNotFoundError`."""


class ConfigError(SiamtrackError, ValueError):
    """A configuration key or value that cannot be used."""


class WeightsError(SiamtrackError, ValueError):
    """A weights file that is corrupt, of the wrong shape, or of an unknown model."""


class SourceError(SiamtrackError, ValueError):
    """A video, image folder, camera or stream that cannot be opened or read."""


class OutputError(SiamtrackError, OSError):
    """A result that cannot be written."""


class DisplayError(SiamtrackError, RuntimeError):
    """A window was asked for where there is no screen."""


class DataError(SiamtrackError, ValueError):
    """A training or benchmark data set that breaks its own layout."""


class OldKeyWarning(FutureWarning):
    """A configuration key that has another name now, or is gone. It is still read; the command line shows it as a note."""


def needs(extra: str, what: str) -> SiamtrackError:
    """The error for a package that is not installed.

    Args:
        extra: of setup.py, which brings the package.
        what: who needs what, such as "tuning needs Optuna".
    """
    return SiamtrackError(f"{what}, which is not installed: pip install '.[{extra}]' in the clone of siamtrack")
