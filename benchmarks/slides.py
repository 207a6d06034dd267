"""Synthetic whole slides of any size, for what is timed: one simulated field, mirrored.

A field of 2 x 2 mm (16 Mpx) is simulated once from a seed. Larger slides are copies of it, every
second one mirrored, so that neither pixels nor cells break off where two copies meet; smaller
ones are its corner. The files are tiled OME-TIFF pyramids of 16-bit pixels, compressed with zstd,
as scanners write them. A sixth channel is autofluorescence: noise and a little of every stain.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from immunescape.io.write_ome_tiff import write_ome_tiff
from immunescape.simulate import CHANNELS, FieldParams, simulate_field

SCENARIO, SEED = "relapse", 7
FIELD_UM = 2000.0
PIXEL_UM = 0.5
AUTOFLUORESCENCE = "AF"
TUMOUR_PER_MM2, STROMA_PER_MM2 = 6600.0, 2300.0
"""As crowded as a slide of 100 mm² that holds half a million cells."""


class Mirrored:
    """A lazy ``(c, y, x)`` array of copies of a field, every second one mirrored."""

    def __init__(self, field: npt.NDArray[np.uint16], edge: int) -> None:
        self.field = field
        self.shape = (len(field), edge, edge)
        self.dtype = field.dtype

    def __getitem__(self, key):
        channels, *sides = (*key, *(slice(None),) * (3 - len(key)))
        rows, columns = (
            self._source(np.arange(*side.indices(self.shape[axis])))
            for axis, side in enumerate(sides, start=1)
        )
        return self.field[channels][..., rows[:, None], columns[None, :]]

    def _source(self, at):
        period = self.field.shape[1]
        copy, inside = np.divmod(at, period)
        return np.where(copy % 2 == 0, inside, period - 1 - inside)


def simulated_field(folder: Path) -> tuple[npt.NDArray[np.uint16], tuple[str, ...]]:
    """Return the pixels of the field and the names of its channels, simulated once a folder."""
    kept = folder / f"field-{SCENARIO}-{SEED}.npz"
    if not kept.is_file():
        params = FieldParams(
            width_um=FIELD_UM, height_um=FIELD_UM, pixel_size_um=PIXEL_UM,
            tumour_density_per_mm2=TUMOUR_PER_MM2, stroma_density_per_mm2=STROMA_PER_MM2,
        )  # fmt: skip
        field = simulate_field(params, SCENARIO, SEED)
        noise = np.random.default_rng(SEED).poisson(60, field.image.shape[1:])
        other = (noise + 0.03 * field.image.sum(axis=0)).astype(np.uint16)
        np.savez(
            kept, image=np.concatenate([field.image, other[None]]),
            channels=[*CHANNELS, AUTOFLUORESCENCE],
        )  # fmt: skip
    found = np.load(kept)
    return found["image"], tuple(found["channels"].tolist())


def whole_slide(folder: Path, edge: int) -> Path:
    """Write a slide of ``edge`` x ``edge`` pixels into a folder, unless it is there; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"slide-{edge}.ome.tif"
    if not path.is_file():
        image, channels = simulated_field(folder)
        write_ome_tiff(path, Mirrored(image, edge), channels, PIXEL_UM)
    return path
