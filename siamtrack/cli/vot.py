"""The process that the VOT toolkit starts: parsing and printing only.

python -m siamtrack.cli.vot --ini siamfc >> trackers.ini     # the section for the toolkit
python -m siamtrack.cli.vot siamfc scale_count=5             # what the toolkit starts
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from siamtrack.errors import SiamtrackError, one_line
from siamtrack.models import DEFAULT_MODEL


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 0, or 2 after one line on stderr.

    Args:
        arguments: those of the command line by default.
    """
    from siamtrack.eval.vot import converse, trackers_ini

    parser = _Parser(prog="python -m siamtrack.cli.vot", description="A tracker for the VOT toolkit; see docs/vot.md.")
    parser.add_argument("--ini", action="store_true", help="print the section for the toolkit's trackers.ini, and end")
    parser.add_argument(
        "--redetect", action="store_true", help="look for a LOST target in the whole frame; the short-term challenges mean no"
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[MODEL] [KEY=VALUE]",
        help="a model (default siamfc-lite) or a weights file; constants of the tracker, device=... and precision=...",
    )
    try:
        chosen = parser.parse_args(arguments)
        words: list[str] = chosen.words
        model = DEFAULT_MODEL if not words or re.match(r"\w+=", words[0]) else words.pop(0)
        if chosen.redetect:
            words.append("redetect=true")
        if chosen.ini:
            print(trackers_ini(model, settings=words), end="")
        else:
            converse(model, words)
    except (SiamtrackError, FileNotFoundError, ValueError) as error:
        if os.environ.get("SIAMTRACK_DEBUG"):
            raise
        print(f"siamtrack: {one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
