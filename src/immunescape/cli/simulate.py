"""``immunescape simulate``: fields, patients and cohorts, their truth written beside them."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from immunescape.errors import OutputError, ParameterError
from immunescape.simulate import (
    SCENARIOS,
    CohortParams,
    FieldParams,
    simulate_field,
    write_cohort,
    write_field,
    write_patient,
)

__all__ = ["simulate"]


def simulate(
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    scenario: Literal[
        "patient", "cohort", "baseline", "response", "relapse", "cold", "node"
    ] = "patient",
    seed: Annotated[int, Parameter(negative=())] = 0,
    name: str | None = None,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    field: Annotated[FieldParams, Parameter(group="Field")] = FieldParams(),
    cohort: Annotated[CohortParams, Parameter(group="Cohort")] = CohortParams(),
) -> int:
    """Render simulated slides with their truth: one field, a patient, or a cohort of patients.

    A cohort comes with samples.csv and lesions.csv, so that ``immunescape cohort`` can be tried on
    it; truth/planted.csv says which pattern each timepoint shows.

    Parameters
    ----------
    out
        Folder to write.
    scenario
        One field of this scenario, a patient (baseline, response and relapse), or a cohort of
        patients with planted courses.
    seed
        Seed of everything that involves chance; the same seed gives the same pixels.
    name
        Name of the patient or field [default: P01, or the scenario and the seed]. A cohort names
        its patients itself.
    overwrite
        Write into a folder that holds something already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not overwrite:
        raise OutputError(f"{out.name} is not an empty folder; pass --overwrite or another with -o")
    if scenario == "cohort":
        if name is not None:
            raise ParameterError("--name: a cohort names its patients itself; leave it out")
        written = 0
        for made in write_cohort(out, seed, cohort, field):
            written += 1
            print(f"{made.name} written", file=sys.stderr)
        names = f"samples.csv, lesions.csv and {written} slides"
    elif scenario == "patient":
        fields = write_patient(out, seed, name or "P01", field)
        names = ", ".join(f.name for f in fields)
    else:
        names = name or f"{scenario}_{seed}"
        write_field(simulate_field(field, SCENARIOS[scenario], seed, names), out)
    print(f"wrote {names} with the truth beside it to {out}/")
    return 0
