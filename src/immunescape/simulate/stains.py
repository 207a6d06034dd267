"""Light that the stained cells send out, before any optics: photons per pixel and stain."""

import numpy as np
import numpy.typing as npt
from numba import njit

from immunescape.simulate.biology import Marks
from immunescape.simulate.chance import smooth_noise
from immunescape.simulate.levels import STAINS, draw_levels
from immunescape.simulate.masks import Forms, pad_px, relative_radius
from immunescape.simulate.membranes import outermost, stained_rim
from immunescape.simulate.placement import (
    CD8_T,
    DENDRITIC,
    FIBROBLAST,
    LYMPHOCYTE,
    MACROPHAGE,
    NERVE,
    TUMOUR,
    Bodies,
)
from immunescape.simulate.settings import CHANNELS, KINDS, FieldParams

__all__ = ["RIM_UM", "stain_light"]

Light = npt.NDArray[np.float32]

_DAPI = {
    TUMOUR: 0.75, CD8_T: 1.15, LYMPHOCYTE: 1.2, MACROPHAGE: 0.8, FIBROBLAST: 0.95, DENDRITIC: 0.8,
    NERVE: 0.9,
}  # fmt: skip
RIM_UM = 0.75
"""Width of a membrane on its cell's side of the border."""


def stain_light(
    bodies: Bodies,
    forms: Forms,
    cells: npt.NDArray[np.int32],
    marks: Marks,
    params: FieldParams,
    rng: np.random.Generator,
) -> Light:
    """Return the light of every stain on the canvas, ``(c, y, x)`` in the order of the channels.

    Overlapping nuclei add up. A membrane is the outermost pixel of a cell on each side of a
    border, so that two neighbours' membranes lie side by side and the optics mix them. It is
    stained unevenly along the border, some only along a part of it, and a little of the stain
    lies within the cell.
    """
    shape, pixel = cells.shape, params.pixel_size_um
    light = np.zeros((len(CHANNELS), *shape), np.float32)
    n = len(bodies)
    shared = (bodies, forms, params, rng)
    dapi = np.array([_DAPI[k] for k in range(len(KINDS))])[bodies.kind]
    coarse = np.where(np.isin(bodies.kind, (CD8_T, LYMPHOCYTE)), 0.30, 0.20)
    level = dapi * np.exp(rng.normal(0, 0.5 * params.stain_spread, n))
    _add_nuclei(light[0], level, coarse, 0.55, *shared)
    sox10 = np.add(*draw_levels(marks.sox10, STAINS["SOX10"], params, rng))
    _add_nuclei(light[4], sox10, np.full(n, 0.22), 0.75, *shared)
    s100 = np.add(*draw_levels(marks.s100, STAINS["S100"], params, rng))
    cytoplasm = _of_pixels(s100, cells)
    grain = 1 + 0.22 * smooth_noise(shape, 0.9 / pixel, rng)
    light[3] = 0.75 * cytoplasm * np.clip(grain, 0.2, None)
    _add_nuclei(light[3], 0.35 * s100, np.full(n, 0.2), 0.2, *shared)
    rim = outermost(cells, RIM_UM / pixel)
    whole = np.ones(n)
    for channel, positive, share, inner in (
        (1, marks.cd8, whole, 0.22), (2, marks.pdl1, marks.pdl1_rim_share, 0.16),
    ):  # fmt: skip
        specific, unspecific = draw_levels(positive, STAINS[CHANNELS[channel]], params, rng)
        arcs = rim if share.min(initial=1.0) == 1 else stained_rim(cells, rim, share, rng)
        patches = np.exp(0.45 * smooth_noise(shape, 1.3 / pixel, rng))
        patches *= np.exp(0.25 * smooth_noise(shape, 0.5 / pixel, rng))
        within = _of_pixels(specific * share + unspecific, cells) * np.clip(grain, 0.2, None)
        along = (_of_pixels(specific, cells) * arcs + _of_pixels(unspecific, cells)) * patches
        light[channel] = np.where(rim, 1.3 * along, inner * within)
    return light * np.float32(params.photons)


def _of_pixels(per_body: npt.NDArray[np.floating], cells: npt.NDArray[np.int32]) -> Light:
    """Give each pixel the value of its body; 0 on background."""
    return np.concatenate([[0.0], per_body]).astype(np.float32)[cells]


def _add_nuclei(
    light: Light,
    level: npt.NDArray[np.floating],
    texture: npt.NDArray[np.float64],
    nucleoli: float,
    bodies: Bodies,
    forms: Forms,
    params: FieldParams,
    rng: np.random.Generator,
) -> None:
    """Add nuclei to an image of light; tumour nuclei show nucleoli as holes of that depth."""
    pixel, pad, n = params.pixel_size_um, pad_px(params), len(bodies)
    side = 256
    chromatin = 0.8 * smooth_noise((side, side), 0.55 / pixel, rng)
    chromatin += 0.6 * smooth_noise((side, side), 1.3 / pixel, rng)
    holes = np.where(bodies.kind == TUMOUR, nucleoli, 0.25 * nucleoli)
    holes = np.where(np.isin(bodies.kind, (FIBROBLAST, NERVE, CD8_T, LYMPHOCYTE)), 0.0, holes)
    where = rng.uniform(-0.45, 0.45, (n, 2, 2)) * np.column_stack([bodies.a, bodies.b])[:, None]
    size = rng.uniform(0.7, 1.25, (n, 2)) / pixel
    _paint(
        light,
        bodies.x / pixel + pad, bodies.y / pixel + pad,
        bodies.a / pixel, bodies.b / pixel, bodies.theta,
        forms.amplitude, forms.phase, forms.bend, np.asarray(level, np.float64), texture, chromatin,
        rng.integers(0, side, (n, 2)), holes, where / pixel, size,
    )  # fmt: skip


@njit(cache=True)
def _paint(  # type: ignore[no-untyped-def]
    light, x, y, a, b, theta, amplitude, phase, bend, level, texture, chromatin,
    offset, holes, where, size,
):  # fmt: skip
    height, width = light.shape
    side = chromatin.shape[0]
    for k in range(len(x)):
        far = 1.3 * a[k] + 3
        middle = np.sqrt(a[k] * b[k])
        for i in range(max(int(y[k] - far), 0), min(int(y[k] + far) + 1, height)):
            for j in range(max(int(x[k] - far), 0), min(int(x[k] + far) + 1, width)):
                dx, dy = j + 0.5 - x[k], i + 0.5 - y[k]
                radius = relative_radius(
                    dx, dy, a[k], b[k], theta[k], amplitude[k], phase[k], bend[k]
                )
                inside = min(max((1.0 - radius) * middle + 0.5, 0.0), 1.0)
                if inside == 0.0:
                    continue
                dome = 0.72 + 0.28 * np.sqrt(max(1.0 - radius * radius, 0.0))
                grain = chromatin[(i + offset[k, 0]) % side, (j + offset[k, 1]) % side]
                value = max(1.0 + texture[k] * grain, 0.15) * dome
                for h in range(2):
                    ex, ey = dx - where[k, h, 0], dy - where[k, h, 1]
                    value *= 1.0 - holes[k] * np.exp(-(ex * ex + ey * ey) / (size[k, h] ** 2))
                light[i, j] += level[k] * inside * value
