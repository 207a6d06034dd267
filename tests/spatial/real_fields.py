"""Real fields with cells, kinds and labels, for the tests and the benchmarks of contacts."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import tifffile
from scipy import ndimage as ndi

from immunescape.margin import GridMask
from immunescape.spatial import find_contacts, nearest_distance_um
from tests.real_data import DATA

FIHC4 = ("inform", "FIHC4__0929309_HP_IM3_2")
FIHC4_PIXEL_UM = 0.497
FIHC4_EXPECTED = {"B": (14, 23, 31), "Cytotoxic T": (3, 4, 5)}
"""Helper T touching a cell of that kind, cells of that kind touching a Helper T, pairs."""

IRIS_PIXEL_UM = 0.496
IRIS_FRAMES = ("2", "7")
_IRIS_MARGIN_PX = 76
_PDL1 = "Membrane PD-Ligand-1 (Opal 690) Mean (Normalized Counts, Total Weighting)"
_PD1 = "Nucleus PD-1 (Opal 540) Mean (Normalized Counts, Total Weighting)"


@dataclass(frozen=True)
class Field:
    """Labels, and one row a cell with its ``kind`` (and ``region``), indexed by label."""

    labels: np.ndarray
    cells: pd.DataFrame


def fihc4_maps():
    """Read the nucleus, cytoplasm and membrane maps and the table of the lymphoid field."""
    base = DATA / FIHC4[0]
    pages = tifffile.imread(base / f"{FIHC4[1]}_binary_seg_maps.tif", key=range(4))
    table = pd.read_csv(base / f"{FIHC4[1]}_cell_seg_data.txt", sep="\t", index_col="Cell ID")
    return pages[1].astype(np.int32), pages[3] > 0, table


def fihc4():
    """Build cells from the membranes: each is what its outline encloses, named by its nucleus.

    inForm draws a line of one pixel between two cells that lie side by side.
    """
    nuclei, membrane, table = fihc4_maps()
    pieces, n = ndi.label(~membrane)
    overlap = np.zeros((n + 1, len(table) + 1), int)
    np.add.at(overlap, (pieces, nuclei), 1)
    overlap[0] = overlap[:, 0] = 0
    home = overlap.argmax(axis=0)[1:]
    assert len(set(home)) == len(table), "two nuclei share an outline"
    owner = np.zeros(n + 1, np.int32)
    owner[home] = np.arange(1, len(table) + 1)
    return Field(owner[pieces], table.rename(columns={"Phenotype": "kind"})[["kind"]])


def iris(frame):
    """Read a melanoma field: kinds by the published gates, regions by the drawn margin line."""
    base = DATA / "iris" / "fields_r"
    # This edition's map holds the Cell ID minus one.
    labels = tifffile.imread(base / f"MEL2_{frame}_binary_seg_maps.tif", key=0).astype(np.int32)
    table = pd.read_csv(base / f"MEL2_{frame}_cell_seg_data.txt", sep="\t")
    cells = table.set_index(table["Cell ID"] - 1).fillna({"Phenotype": "none"})
    marker = np.where(cells["Phenotype"] == "CD8+", " PD1", " PDL1")
    positive = np.where(cells["Phenotype"] == "CD8+", cells[_PD1] > 9.7, cells[_PDL1] > 3.64)
    kind = cells["Phenotype"] + marker + np.where(positive, "+", "-")
    pixels = cells[["Cell X Position", "Cell Y Position"]].to_numpy(float)
    points = (pixels + 0.5) * IRIS_PIXEL_UM
    line = tifffile.imread(base / f"MEL2_{frame}_Invasive_Margin.tif")[..., 3] > 0
    line_um = (np.argwhere(line)[:, ::-1] + 0.5) * IRIS_PIXEL_UM
    mask = tifffile.imread(base / f"MEL2_{frame}_Tumor.tif")[..., 3] > 0
    frame_um = (mask.shape[1] * IRIS_PIXEL_UM, mask.shape[0] * IRIS_PIXEL_UM)
    inside = GridMask(mask, IRIS_PIXEL_UM, frame_um).at(points)
    near = nearest_distance_um(points, line_um) <= _IRIS_MARGIN_PX * IRIS_PIXEL_UM + 1e-9
    region = np.select([near, inside], ["Margin", "Tumor"], "")
    return Field(labels, pd.DataFrame({"kind": kind, "region": region}))


def iris_table():
    """Count contacts by kind and region, both fields together, beside those published.

    A contact counts in a region where both cells lie in it; one between cells of one kind counts
    from either side, as in the published table.
    """
    published = pd.read_csv(DATA / "iris" / "expected" / "sample_contact_density.csv")
    fields = [iris(frame) for frame in IRIS_FRAMES]
    found = [find_contacts(field.labels, IRIS_PIXEL_UM) for field in fields]

    def count(row):
        return sum(
            len(
                contacts.between(
                    *(
                        field.cells.index[
                            (field.cells["kind"] == kind) & (field.cells["region"] == row[0])
                        ]
                        for kind in row[1:]
                    )
                )
            )
            for field, contacts in zip(fields, found, strict=True)
        )

    keys = published[["region_label", "phenotype_label", "neighbor_phenotype_label"]]
    table = keys.set_axis(["region", "from", "to"], axis=1)
    table["published"] = published["cummulative_count"]
    table["ours"] = [count(row) for row in keys.itertuples(index=False, name=None)]
    table["difference_%"] = 100 * (table["ours"] / table["published"].where(lambda n: n > 0) - 1)
    return table[table["from"] <= table["to"]].reset_index(drop=True)
