"""Writing a simulated cohort: slides, sample sheet, lesion sizes, and what was planted."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from immunescape.io.output import atomic_path, writing
from immunescape.simulate.chance import generator
from immunescape.simulate.cohort import CohortParams, PlantedPatient, simulate_cohort
from immunescape.simulate.field import SimulatedField, simulate_patient
from immunescape.simulate.files import DAYS, write_field
from immunescape.simulate.settings import FieldParams

__all__ = ["write_cohort"]

_LESION = "L1"
_AREAS = {0: 1.0, 30: 0.95, 90: 0.45, 180: 0.2, 360: 0.25, 540: 0.9, 570: 1.15}
"""Area of a lesion over days, the first being 1: it shrinks on response and grows at relapse."""
_AREA_MM2, _AREA_SPREAD = 180.0, 0.1


def write_cohort(
    folder: Path,
    seed: int,
    params: CohortParams = CohortParams(),
    field: FieldParams = FieldParams(),
) -> Iterator[SimulatedField]:
    """Render a cohort slide by slide, and write what a cohort run needs beside the slides.

    Parameters
    ----------
    folder
        Where to write. It gets each field as `write_field` writes it, ``samples.csv`` (one row a
        slide, and a column ``jak1`` that says of each patient whether PD-L1 on tumour cells was
        planted to be lost), ``lesions.csv``, and ``truth/planted.csv``: ``patient, timepoint,
        course, t_cells, pdl1``.
    seed
        Of all chance.
    params
        How many patients.
    field
        What the fields look like, as in `simulate_patient`.

    Yields
    ------
    SimulatedField
        Each field once it is written; the sheets are written before the first. One patient is
        held in memory.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    patients = simulate_cohort(params, seed)
    with writing(folder):
        (folder / "truth").mkdir(parents=True, exist_ok=True)
        _write(folder / "samples.csv", _samples(patients))
        _write(folder / "lesions.csv", _lesions(patients, seed))
        _write(folder / "truth" / "planted.csv", _planted(patients))
    for patient in patients:
        scenarios = tuple(timepoint.scenario for timepoint in patient.timepoints)
        for made in simulate_patient(field, patient.seed, patient.name, scenarios):
            write_field(made, folder)
            yield made


def _samples(patients: tuple[PlantedPatient, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "slide": f"{patient.name}_{planted.timepoint}.ome.tif",
            "patient": patient.name,
            "timepoint": planted.timepoint,
            "lesion": _LESION,
            "site": planted.scenario.site,
            "batch": patient.name,
            "annotations": f"{patient.name}_{planted.timepoint}.geojson",
            "day": DAYS[planted.timepoint],
            "jak1": "lost" if _loses_pdl1(patient) else "kept",
        }
        for patient in patients
        for planted in patient.timepoints
    )


def _lesions(patients: tuple[PlantedPatient, ...], seed: int) -> pd.DataFrame:
    rows = []
    for patient in patients:
        chance = generator(seed, patient.name, "lesions")
        first = _AREA_MM2 * np.exp(0.4 * chance.standard_normal())
        for day, share in _AREAS.items():
            area = first * share * np.exp(_AREA_SPREAD * chance.standard_normal())
            rows.append((patient.name, _LESION, day, round(float(area), 1)))
    return pd.DataFrame(rows, columns=["patient", "lesion", "day", "area_mm2"])


def _planted(patients: tuple[PlantedPatient, ...]) -> pd.DataFrame:
    rows = [(p.name, t.timepoint, p.course, t.t_cells, t.pdl1) for p in patients
            for t in p.timepoints]  # fmt: skip
    return pd.DataFrame(rows, columns=["patient", "timepoint", "course", "t_cells", "pdl1"])


def _loses_pdl1(patient: PlantedPatient) -> bool:
    return patient.timepoints[-1].pdl1 == "absent_on_tumour"


def _write(path: Path, table: pd.DataFrame) -> None:
    with atomic_path(path) as beside:
        table.to_csv(beside, index=False, lineterminator="\n")
