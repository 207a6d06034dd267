"""The same slide under several values of one parameter, one table for all of them."""

import dataclasses
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from immunescape.errors import ImmunescapeError, StudyError
from immunescape.panel import Panel
from immunescape.phenotype import find_spec, parse_gate
from immunescape.results import SUMMARY_COLUMNS
from immunescape.study import STEPS, Study, structure_step

if TYPE_CHECKING:
    from immunescape.results import SlideResult

__all__ = ["SWEEP_COLUMNS", "Sweep", "check_swept", "parse_sweep", "sweep_table"]

SWEEP_COLUMNS = ("parameter", "parameter_value", *SUMMARY_COLUMNS)

_FORM = "write STEP.PARAMETER=VALUE,VALUE, such as margin.width_um=40,100,360 or pdl1@tumour=2,3.6"


@dataclass(frozen=True)
class Sweep:
    """One parameter and the studies that differ in it.

    Parameters
    ----------
    parameter
        Its name, such as ``margin.width_um``, or the gate's, such as ``pdl1@tumour``.
    values
        Its values as they were written.
    studies
        One study a value.
    """

    parameter: str
    values: tuple[str, ...]
    studies: tuple[Study, ...]


def parse_sweep(text: str, study: Study) -> Sweep:
    """Read a sweep as it is written on the command line.

    Parameters
    ----------
    text
        ``STEP.PARAMETER=VALUE,VALUE,...``; a gate's threshold is ``MARKER[@PARENT]=VALUE,...``.
    study
        What the studies of the sweep share.

    Raises
    ------
    StudyError
        If it is not of that form, the parameter is unknown, or a value is none of its own.

    Examples
    --------
    >>> sweep = parse_sweep("margin.width_um=40,100", Study())
    >>> [s.margin.width_um for s in sweep.studies]
    [40.0, 100.0]
    """
    name, equals, listed = (part.strip() for part in text.partition("="))
    values = tuple(v.strip() for v in listed.split(",") if v.strip())
    if not equals or not name or not values:
        raise StudyError(f"the sweep {text!r} cannot be read; {_FORM}")
    if len(set(values)) != len(values):
        raise StudyError(f"the sweep {text!r} names a value twice; {_FORM}")
    changed = _gate_changed if "." not in name else _step_changed
    return Sweep(name, values, tuple(changed(study, name, value) for value in values))


def _gate_changed(study: Study, name: str, value: str) -> Study:
    spec = parse_gate(f"{name}=fixed:{value}")
    before = find_spec(study.gate, spec.marker, spec.parent, study.gating)
    spec = dataclasses.replace(spec, statistic=before.statistic)
    others = tuple(
        g for g in study.gate if g.marker != spec.marker or spec.parent not in ("all", g.parent)
    )
    return dataclasses.replace(study, gate=(*others, spec))


def _step_changed(study: Study, name: str, value: str) -> Study:
    step, _, parameter = name.partition(".")
    parameter = parameter.replace("-", "_")
    if step not in STEPS:
        raise StudyError(f"the sweep names the step {step!r}; give one of {', '.join(STEPS)}")
    params = getattr(study, step)
    known = [f.name for f in dataclasses.fields(params)]
    if parameter not in known:
        raise StudyError(
            f"the sweep names {step}.{parameter}, which there is not; {step} has {', '.join(known)}"
        )
    try:
        read: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        read = value  # a word
    try:
        new = structure_step(step, dataclasses.asdict(params) | {parameter: read})
    except ImmunescapeError as error:
        raise StudyError(f"the sweep of {step}.{parameter}: {error}") from error
    return dataclasses.replace(study, **{step: new})


def check_swept(sweeps: tuple[Sweep, ...], panel: Panel, slide_name: str) -> None:
    """Refuse a sweep of a gate whose marker the slide does not show: it would change nothing.

    Raises
    ------
    StudyError
        Naming the marker and those of the slide.
    """
    known = [stain.marker for stain in panel.markers]
    for sweep in sweeps:
        marker = sweep.parameter.partition("@")[0].strip().lower()
        if "." not in sweep.parameter and marker not in known:
            raise StudyError(
                f"the sweep names {sweep.parameter!r}, no marker of {slide_name}, which has "
                f"{', '.join(known) or 'none'}; {_FORM}"
            )


def sweep_table(
    sweeps: tuple[Sweep, ...], analysed: Callable[[Study], "SlideResult"]
) -> pd.DataFrame:
    """Return the summary under each value of each parameter, the others as in the study.

    Parameters
    ----------
    sweeps
        What is varied, one parameter at a time.
    analysed
        Gives the result of the slide under a study.
    """

    def parts() -> Iterator[pd.DataFrame]:
        for sweep in sweeps:
            for value, study in zip(sweep.values, sweep.studies, strict=True):
                summary = analysed(study).tables["summary"]
                yield summary.assign(parameter=sweep.parameter, parameter_value=value)

    found = [part.astype(object) for part in parts()]
    return pd.concat(found, ignore_index=True).reindex(columns=list(SWEEP_COLUMNS))
