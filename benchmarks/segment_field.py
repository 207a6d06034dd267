"""A large simulated nuclear stain, put together from fields that were simulated one by one."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from immunescape.simulate import CHANNELS, SCENARIOS, FieldParams, simulate_field
from immunescape.slide import Slide


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Several fields beside each other, without gap; nuclei end where fields do.

    Parameters
    ----------
    stain
        ``(y, x)`` nuclear stain.
    drawn
        ``(y, x)`` int32 labels, 0 is background.
    pixel_um
        Edge of a pixel.
    """

    stain: npt.NDArray[np.floating | np.integer]
    drawn: npt.NDArray[np.int32]
    pixel_um: float

    @property
    def slide(self) -> Slide:
        """The stain as a slide in memory."""
        return Slide("mosaic", (self.stain[None],), ("DAPI",), self.pixel_um)

    @property
    def count(self) -> int:
        """Number of drawn nuclei."""
        return int((np.bincount(self.drawn.ravel())[1:] > 0).sum())

    def crop(self, edge_px: int) -> "Mosaic":
        """Return the corner at the origin."""
        part = slice(0, edge_px), slice(0, edge_px)
        return Mosaic(np.ascontiguousarray(self.stain[part]), self.drawn[part], self.pixel_um)

    def binned(self, times: int) -> "Mosaic":
        """Return it with pixels so many times as large: means of the stain, labels of corners."""
        height, width = (side // times for side in self.stain.shape)
        part = self.stain[: height * times, : width * times].astype(np.float32)
        blocks = part.reshape(height, times, width, times)
        return Mosaic(blocks.mean(axis=(1, 3)), self.drawn[::times, ::times], self.pixel_um * times)


def simulate_mosaic(edge_um: float, pixel_um: float, side: int = 4, seed: int = 7000) -> Mosaic:
    """Simulate ``side`` times ``side`` fields of all scenarios by turns, and join them.

    Parameters
    ----------
    edge_um, pixel_um
        Edge of the whole, and of a pixel.
    side
        Fields along an edge.
    seed
        Seed of the first field; the next ones count on.
    """
    params = FieldParams(width_um=edge_um / side, height_um=edge_um / side, pixel_size_um=pixel_um)
    rows, labels, top = [], [], 0
    for row in range(side):
        stains, drawn = [], []
        for column in range(side):
            number = row * side + column
            scenario = list(SCENARIOS)[number % len(SCENARIOS)]
            field = simulate_field(params, scenario, seed + number)
            stains.append(field.image[CHANNELS.index("DAPI")])
            drawn.append(np.where(field.nuclei > 0, field.nuclei + top, 0))
            top += int(field.nuclei.max(initial=0))
        rows.append(np.hstack(stains))
        labels.append(np.hstack(drawn).astype(np.int32))
    return Mosaic(np.vstack(rows), np.vstack(labels), pixel_um)
