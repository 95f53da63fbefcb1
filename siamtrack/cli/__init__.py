"""The `siamtrack` command. A file a command: parsing and printing only.

Everything heavy is imported inside the command that needs it, so that `siamtrack --help` answers at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, NoReturn

import typer

from siamtrack import __version__
from siamtrack.cli import batch, bench, data, demo, doctor, export, labels, live, track, train, tune, verify
from siamtrack.cli import eval as eval_
from siamtrack.cli.terminal import note
from siamtrack.errors import OldKeyWarning, SiamtrackError

app = typer.Typer(
    name="siamtrack",
    help="Point at anything in a video, and it is followed.",
    epilog="Start with: siamtrack demo. Weights are inside the package: nothing is downloaded.",
    no_args_is_help=True,
    add_completion=False,
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


def main() -> NoReturn:
    """Entry point: errors that a user can mend are one line on stderr and status 2, never a traceback."""
    if sys.argv[1:2] != ["verify"]:  # whose searches multiply large matrices
        # Elsewhere numpy's are small: the threads of its BLAS would only wait, in a loop at first, a fifth of the start's time.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    show = warnings.showwarning
    warnings.showwarning = lambda text, kind, *place: note(str(text)) if kind is OldKeyWarning else show(text, kind, *place)
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except (SiamtrackError, FileNotFoundError, ValueError) as error:
        if os.environ.get("SIAMTRACK_DEBUG"):
            raise
        problem = str(error)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except Exception as error:
        # typer carries its own copy of click: a usage error is known by what it can do, not by its class.
        if not hasattr(error, "format_message"):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.format_message(), err=True)
            sys.exit(2)
        problem = error.format_message()
    note(problem, kind="error")
    sys.exit(2)
