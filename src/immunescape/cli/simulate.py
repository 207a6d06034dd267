"""``immunescape simulate``: fields and patients whose truth is written beside them."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from immunescape.errors import OutputError
from immunescape.simulate import (
    SCENARIOS,
    FieldParams,
    simulate_field,
    write_field,
    write_patient,
)

__all__ = ["simulate"]


def simulate(
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    scenario: Literal["patient", "baseline", "response", "relapse", "cold", "node"] = "patient",
    seed: Annotated[int, Parameter(negative=())] = 0,
    name: str | None = None,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    field: Annotated[FieldParams, Parameter(group="Field")] = FieldParams(),
) -> int:
    """Render simulated slides with their truth: one field, or a patient at three timepoints.

    Parameters
    ----------
    out
        Folder to write.
    scenario
        One field of this scenario, or a whole patient: baseline, response and relapse.
    seed
        Seed of everything that involves chance; the same seed gives the same pixels.
    name
        Name of the patient or field [default: P01, or the scenario and the seed].
    overwrite
        Write into a folder that holds something already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not overwrite:
        raise OutputError(f"{out.name} is not an empty folder; pass --overwrite or another with -o")
    if scenario == "patient":
        fields = write_patient(out, seed, name or "P01", field)
        names = ", ".join(f.name for f in fields)
    else:
        names = name or f"{scenario}_{seed}"
        write_field(simulate_field(field, SCENARIOS[scenario], seed, names), out)
    print(f"wrote {names} with the truth beside it to {out}/")
    return 0
