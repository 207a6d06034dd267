"""The application: its commands, how a study file fills the flags, and how errors end."""

import dataclasses
import os
import sys
import tomllib
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App, CycloptsError
from cyclopts.config import Dict

from immunescape import __version__
from immunescape.errors import ImmunescapeError, SheetError

if TYPE_CHECKING:
    from cyclopts import ArgumentCollection

__all__ = ["app", "execute"]

# A flag that is so common that it has a short form.
_SHORT = {"--tissue": "--tissue.method"}


def _study_fills_flags(
    app: App, commands: tuple[str, ...], arguments: "ArgumentCollection"
) -> None:
    """Take the parameters of ``--study`` for every flag that was not given."""
    if commands[-1:] not in (("run",), ("cohort",)):
        return
    given = [a.tokens[0].value for a in arguments if a.name == "--study" and a.tokens]
    if not given:
        return
    from immunescape.study import STEPS

    try:
        data = tomllib.loads(Path(given[0]).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # reading the study properly names what is wrong
    tables = {k: v for k, v in data.items() if k in STEPS and isinstance(v, dict)}
    Dict(tables, allow_unknown=True, use_commands_as_keys=False, source=given[0])(
        app, commands, arguments
    )


def _kind_of_training_fills_flags(
    app: App, commands: tuple[str, ...], arguments: "ArgumentCollection"
) -> None:
    """Take the parameters of fine-tuning, or of a first training, for flags that were not given."""
    if commands[-1:] != ("train",):
        return
    from immunescape.segment.learning.finetune import usual_params

    given = [a.tokens[0].value for a in arguments if a.name == "--initial" and a.tokens]
    Dict(
        {"training": dataclasses.asdict(usual_params(given[0] if given else "compact"))},
        use_commands_as_keys=False,
        source="the kind of training",
    )(app, commands, arguments)


app = App(
    name="immunescape",
    help="How melanoma escapes PD-1 blockade, read from multiplex-immunofluorescence slides. "
    "For research use, not for diagnosis.",
    version=__version__,
    config=(_study_fills_flags, _kind_of_training_fills_flags),
    suppress_keyboard_interrupt=False,
)
_COMMANDS = {
    "run": """Analyse one slide: cells, gates, tumour margin, contacts and the headline numbers.

    The tables are written to OUT/NAME/, named after the slide. Running again on the same folder
    repeats only the steps whose inputs or parameters changed. ``--tissue whole`` counts the whole
    frame as tissue. Give ``--debug`` to see the traceback of an error.
    """,
    "cohort": """Analyse all slides of a sample sheet and compare timepoints.

    Each slide's result is written to OUT/slides/SAMPLE/; cohort.csv, specimens.csv, patients.csv,
    comparisons.csv, patterns.csv, staining.csv and failures.csv to OUT. One gate a marker is shared
    by the slides of a patient, or of a batch with ``--gating.share batch``; the results under each
    slide's own gates stand beside. Running again goes on where it stopped and repeats only what a
    changed file or parameter touches.
    """,
    "status": "Print how far each slide of a cohort is, while it runs or after, on any machine.",
    "info": "Print what was understood of a slide: size, pixel size, channels and markers.",
    "init": "Write a commented study file with the panel of a slide.",
    "demo": "Analyse the simulated sample patient and print the headline tables.",
    "report": """Write the report of every result in a folder again, from its files alone.

    ``--figures DIR`` writes each figure as SVG and as PNG with 300 dots an inch. Neither the slides
    nor the network are needed.
    """,
    "gui": "Open the workbench in napari, with a slide, a result or a sample sheet in it.",
    "simulate": """Render simulated slides with their truth: one field, or a patient.

    The direction of the scenarios is that of Zaretsky et al. 2016; their figures are ours.
    """,
    "train": """Teach the compact network on your own pictures and label images.

    A part of what was drawn is held out, and the network is scored on it before and after. An
    interrupted training goes on where it stopped when it is started again. Use the weights
    with ``immunescape run --segment.model WEIGHTS``.
    """,
}
"""Commands and what ``--help`` says of them: their modules are loaded when they are called."""
_TILES = "the tiles that are done"
_GOES_ON = {"run": _TILES, "cohort": _TILES, "demo": _TILES, "train": "its last checkpoint"}
"""Commands that keep what they did when they are interrupted; the others begin again."""

for command, text in _COMMANDS.items():
    app.command(f"immunescape.cli.{command}:{command}", name=command, help=cleandoc(text))


def execute(words: list[str]) -> int:
    """Run the command that ``words`` spell and return the exit code; errors go to stderr."""
    debug = "--debug" in words
    words = [_SHORT.get(w, w) for w in words if w != "--debug"]
    try:
        result: Any = app(
            words, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except SheetError as error:
        if debug:
            raise
        print(f"immunescape: {error}", file=sys.stderr)
        return 2
    except (ImmunescapeError, CycloptsError) as error:
        if debug:
            raise
        print(f"immunescape: {_one_line(error)}", file=sys.stderr)
        return 2
    except OSError as error:
        if debug:
            raise
        known = isinstance(error.filename, str | bytes | os.PathLike)
        name = Path(os.fsdecode(error.filename)).name if known else "a file"
        print(
            f"immunescape: {name} cannot be read or written: {error.strerror or 'unknown cause'}; "
            "check that it exists, its permissions and the room on its disk",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        told = "immunescape: interrupted; nothing half-written was left behind"
        goes_on = _GOES_ON.get(words[0]) if words else None
        if goes_on is not None:
            told += f", and the same command goes on from {goes_on}"
        print(told, file=sys.stderr)
        return 130
    except Exception as error:
        if debug:
            raise
        print(
            f"immunescape: unexpected {type(error).__name__}: {_one_line(error)}; "
            "run again with --debug and report what it prints",
            file=sys.stderr,
        )
        return 1
    return result if isinstance(result, int) else 0


def _one_line(error: BaseException) -> str:
    cause = error.__cause__  # of an unusable flag: what the parameter's own check says
    own = isinstance(error, CycloptsError) and isinstance(cause, ImmunescapeError)
    text = str(cause if own else error)
    return " ".join(text.split())
