"""The `siamtrack` command. One file per command: parsing and printing only.

Everything heavy is imported inside the command that needs it, so that `siamtrack --help` answers at once.
"""

from __future__ import annotations

import copy
import errno
import io
import itertools
import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.models import CommandInfo

from siamtrack import __version__
from siamtrack.cli import batch, bench, data, demo, doctor, export, labels, live, track, train, tune, verify
from siamtrack.cli import eval as eval_
from siamtrack.cli.terminal import Signals, note
from siamtrack.errors import OldKeyWarning, SiamtrackError, one_line


class _Commands(TyperGroup):
    """Knows what is meant by a video in the place of a command."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None and _is_video(args[0]):
            ctx.fail(f"{args[0]} is no command; to follow a target in it: siamtrack track {args[0]} --box X,Y,W,H")
        return super().resolve_command(ctx, args)


def _is_video(word: str) -> bool:
    """Whether a word looks like something that `track` reads."""
    return os.path.exists(word) or "://" in word or os.path.splitext(word)[1].lower() in _VIDEO_ENDINGS


_VIDEO_ENDINGS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".ts", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".gif")

app = typer.Typer(
    name="siamtrack",
    cls=_Commands,
    help="Point at anything in a video, and it is followed.",
    epilog="Start with: siamtrack demo. Weights are inside the package: nothing is downloaded.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(no_args_is_help=True)(track.track)
app.command()(demo.demo)
app.command()(live.live)
app.command(no_args_is_help=True)(batch.batch)
app.command("export-labels", no_args_is_help=True)(labels.export_labels)
app.command(no_args_is_help=True)(export.export)
app.add_typer(data.app, name="data")
app.command(no_args_is_help=True)(train.train)
app.command(no_args_is_help=True)(tune.tune)
app.command(no_args_is_help=True)(verify.verify)
app.command("eval", no_args_is_help=True)(eval_.evaluate)
app.command()(bench.bench)
app.command()(doctor.doctor)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"siamtrack {__version__}")
        raise typer.Exit


def _chosen(words: list[str]) -> typer.Typer:
    """The app with the options of the command alone that the words name: typer takes a third of the start to read all others'.

    Of those it keeps name and help. A shell that completes asks for any of them.
    """
    if "_SIAMTRACK_COMPLETE" in os.environ:
        return app
    name = next((word for word in words if not word.startswith("-")), "")
    chosen = copy.copy(app)
    chosen.registered_commands = [
        command if (command.name or getattr(command.callback, "__name__", "")) == name else _without_options(command)
        for command in app.registered_commands
    ]
    return chosen


def _without_options(command: CommandInfo) -> CommandInfo:
    def nothing() -> None: ...

    nothing.__doc__, nothing.__name__ = command.callback.__doc__, getattr(command.callback, "__name__", "")
    other = copy.copy(command)
    other.callback = nothing
    return other


def main() -> NoReturn:
    """Entry point: errors that a user can mend are one line on stderr and status 2, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be text, nor a terminal know all letters
    if sys.argv[1:2] != ["verify"]:  # whose searches multiply large matrices
        # Elsewhere numpy's are small: the threads of its BLAS would only wait, in a loop at first, a fifth of the start's time.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    show = warnings.showwarning
    warnings.showwarning = lambda text, kind, *place: note(str(text)) if kind is OldKeyWarning else show(text, kind, *place)
    try:
        words = _with_boxes_joined(sys.argv[1:])
        sys.exit(_chosen(words)(args=words, prog_name="siamtrack", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(128 + Signals.last)
    except Exception as error:
        problem = _in_words(error)
        if problem is None or (os.environ.get("SIAMTRACK_DEBUG") and not hasattr(error, "format_message")):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(problem, err=True)
            sys.exit(2)
    try:
        note(problem, kind="error")
    except (MemoryError, ImportError):  # it imports what hides passwords, and there may be no room for that
        typer.echo("siamtrack: error: out of memory, even to say where", err=True)
    sys.exit(2)


def _with_boxes_joined(arguments: Sequence[str]) -> list[str]:
    """The same arguments, with the numbers of a box in one: `--box 120 80 64 48` and `--box 120, 80, 64, 48`.

    Those after a fourth number, or an eighth, are not of the box: a camera is a number, too.
    """
    joined: list[str] = []
    rest = list(arguments)
    while rest:
        joined.append(rest.pop(0))
        if joined[-1] != "--box":
            continue
        numbers = list(itertools.takewhile(_NUMBER.fullmatch, rest[:8]))
        count = 8 if len(numbers) == 8 else min(len(numbers), 4)
        if count > 1:
            joined.append(",".join(number.rstrip(",") for number in numbers[:count]))
            del rest[:count]
    return joined


_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+),?")


def _in_words(error: Exception) -> str | None:
    """What a user is told of an error; None where it is a fault of ours, which takes a traceback to be found."""
    # typer carries its own copy of click: a usage error is known by what it can do, not by its class.
    if hasattr(error, "format_message"):
        text = str(error.format_message())
        extra = text.startswith("Got unexpected extra arg")
        return f"{one_line(text, 120)}; quote a name with blanks in it, or a glob: 'frames/*.jpg'" if extra else text
    if _lacks_memory(error) and not isinstance(error, SiamtrackError):  # which knows better: a file that asks for too much, say
        return f"out of memory ({one_line(error) or 'no reason given'}); {MORE_MEMORY}"
    if isinstance(error, OSError) and not isinstance(error, SiamtrackError) and error.strerror:
        paths = " and ".join(one_line(path) for path in (error.filename, error.filename2) if path is not None)
        advice = _ADVICE.get(error.errno or 0, "mend that, or give another path")
        return f"{paths or 'a file'} cannot be used ({error.strerror}); {advice}"
    if isinstance(error, (SiamtrackError, ValueError, OSError)):
        return str(error) or type(error).__name__
    if isinstance(error, OverflowError):
        return f"a number is too large ({error}); whole numbers of 64 bits are the largest"
    if type(error).__module__ == "cv2":  # not imported here for its class alone
        return f"OpenCV cannot do this ({getattr(error, 'err', '') or error}); is a picture larger than it takes?"
    return None


def _lacks_memory(error: BaseException | None) -> bool:
    """Whether an error, or what led to it, means that no memory was to be had: libraries of C say it by other classes."""
    while error is not None:
        if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


NO_MEMORY = re.compile(
    r"bad_alloc|failed to map segment|(can.?t|cannot|unable to|failed to) allocate|insufficient memory", re.IGNORECASE
)
"""What libraries say of it when they are loaded (glibc), and when they compute (ONNX Runtime, PyTorch, OpenCV, numpy)."""

MORE_MEMORY = "end other programs, raise a limit (ulimit -v), or take smaller pictures or fewer items"

_ADVICE = {
    errno.ENOENT: "check the path",
    errno.EACCES: "change its permissions, or give another path",
    errno.EPERM: "change its permissions, or give another path",
    errno.EROFS: "give a folder that can be written",
    errno.ENOSPC: "make room, or give another folder",
    errno.EDQUOT: "make room, or give another folder",
    errno.EFBIG: "make room, or give another folder",
    errno.EISDIR: "give a file, not a folder",
    errno.ENOTDIR: "give a folder, not a file",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "end other programs",
    errno.EEXIST: "give another path",
}
