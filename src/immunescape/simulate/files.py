"""Writing simulated fields and patients, their truth beside them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.io.geojson import write_regions
from immunescape.io.output import atomic_path, check_folder_name, writing
from immunescape.io.write_ome_tiff import write_ome_tiff
from immunescape.regions import Regions
from immunescape.simulate.artefacts import ARTEFACTS
from immunescape.simulate.field import SimulatedField, simulate_patient
from immunescape.simulate.settings import CHANNELS, FieldParams

__all__ = ["DAYS", "write_field", "write_patient"]

DAYS = {"baseline": 0, "response": 90, "relapse": 540}
"""Day of the biopsy of each timepoint."""
_DECIMALS = {"x_um": 4, "y_um": 4, "distance_to_margin_um": 4, "pdl1_rim_share": 3, "encircled": 3}


def write_field(field: SimulatedField, folder: Path) -> None:
    """Write one field and its truth.

    The folder gets ``<name>.ome.tif`` and ``<name>.geojson`` (the tumour, clipped to the frame,
    in pixels; no file where there is none), its subfolder ``truth`` the rest:
    ``<name>_nuclei.tif`` and ``<name>_cells.tif`` (int32 labels), ``<name>_cells.csv``,
    ``<name>_regions.csv``, ``<name>_contacts.csv``, ``<name>_summary.csv`` (columns as in
    `Truth`), ``<name>_tissue.geojson``, and where there are any ``<name>_places.geojson`` (nerve,
    lymphoid tissue) and ``<name>_artefacts.geojson``.

    Parameters
    ----------
    field
        The field.
    folder
        Where to write; it is made if need be, files of the same names are replaced.

    Raises
    ------
    OutputError
        If the name cannot name files, or the folder cannot be written.
    """
    name, pixel = check_folder_name(field.name), field.params.pixel_size_um
    truth = folder / "truth"
    with writing(folder):
        truth.mkdir(parents=True, exist_ok=True)
        write_ome_tiff(folder / f"{name}.ome.tif", field.image, CHANNELS, pixel)
        for kind, labels in (("nuclei", field.nuclei), ("cells", field.cells)):
            _write_labels(truth / f"{name}_{kind}.tif", labels)
        for table in ("cells", "regions", "contacts", "summary"):
            frame: pd.DataFrame = getattr(field.truth, table)
            with atomic_path(truth / f"{name}_{table}.csv") as beside:
                frame.round(_DECIMALS).to_csv(beside, index=False, lineterminator="\n")
    _write_those(folder / f"{name}.geojson", field, ("tumour",))
    tissue = Regions({"tissue": field.regions["tissue"]})
    write_regions(truth / f"{name}_tissue.geojson", tissue, pixel)
    _write_those(truth / f"{name}_places.geojson", field, ("nerve", "lymphoid"))
    _write_those(truth / f"{name}_artefacts.geojson", field, ARTEFACTS)


def write_patient(
    folder: Path, seed: int, name: str = "P01", params: FieldParams | None = None
) -> tuple[SimulatedField, ...]:
    """Simulate one patient's three timepoints, write them with a sample sheet, and return them.

    Parameters
    ----------
    folder
        Where to write, as `write_field` does, and ``samples.csv``: one row a field, in the order
        of the timepoints.
    seed
        Seed of the patient.
    name
        Patient; fields are called ``<name>_<timepoint>``.
    params
        What the fields look like, as in `simulate_patient`; the defaults if None.
    """
    fields = simulate_patient(params or FieldParams(), seed, check_folder_name(name))
    for field in fields:
        write_field(field, folder)
    sheet = pd.DataFrame(
        {
            "slide": [f"{field.name}.ome.tif" for field in fields],
            "patient": name,
            "timepoint": [field.scenario for field in fields],
            "lesion": "L1",
            "site": [field.site for field in fields],
            "annotations": [f"{field.name}.geojson" for field in fields],
            "day": [DAYS[field.scenario] for field in fields],
        }
    )
    with atomic_path(folder / "samples.csv") as beside:
        sheet.to_csv(beside, index=False, lineterminator="\n")
    return fields


def _write_those(path: Path, field: SimulatedField, names: tuple[str, ...]) -> None:
    """Write the regions of these names that the field has; no file, nor an old one, if none."""
    shapes = {name: field.regions[name] for name in names if not field.regions.get(name).is_empty}
    if shapes:
        write_regions(path, Regions(shapes), field.params.pixel_size_um)
    else:
        path.unlink(missing_ok=True)


def _write_labels(path: Path, labels: npt.NDArray[np.int32]) -> None:
    import tifffile

    with atomic_path(path) as beside:
        tifffile.imwrite(
            beside, labels, compression="zlib", compressionargs={"level": 9}, metadata=None,
            software=False,
        )  # fmt: skip
