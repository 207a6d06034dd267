"""Fields to train on: pictures with their masks, or masks to render stains onto."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.errors import LabelsError
from immunescape.segment.flows import label_flows
from immunescape.segment.render import distort, render_stain, warp

__all__ = ["Field", "Patches", "read_fields", "scaled"]

TYPICAL_PX = 17.0
"""Nuclear diameter, in pixels of 0.5 µm, to which every field is brought first."""

_MARGIN = 24


@dataclass(frozen=True, eq=False)
class Field:
    """One field to train on.

    Parameters
    ----------
    name
        File name, which also orders fields.
    labels
        ``(y, x)`` int32, 0 is background.
    image
        ``(y, x)`` float32, or None where stains are to be rendered.
    membranes
        ``(y, x)`` bool, where a membrane stain may bleed in; rendered fields only.
    """

    name: str
    labels: npt.NDArray[np.int32]
    image: npt.NDArray[np.float32] | None = None
    membranes: npt.NDArray[np.bool_] | None = None


def read_fields(folder: Path) -> tuple[list[Field], list[Field]]:
    """Read pictures with masks, and masks alone, at their own resolution.

    Parameters
    ----------
    folder
        Holds ``images/*.tif`` and ``masks/*.tif`` of equal names (directly or in ``train``), and
        optionally ``tissue_masks/*_binary_seg_maps.tif`` as inForm writes them: page 2 the nuclei,
        page 4 the membranes.

    Returns
    -------
    tuple of list of Field
        Pictures with masks, then masks to render onto; each sorted by name.

    Raises
    ------
    LabelsError
        If there is no pair, a mask is missing, or the shapes of a pair differ.
    """
    import tifffile

    pairs = folder / "train" if (folder / "train").is_dir() else folder
    real = []
    for file in sorted((pairs / "images").glob("*.tif*")):
        mask = pairs / "masks" / file.name
        if not mask.exists():
            raise LabelsError(f"{file.name} has no mask; put one of that name into masks")
        image, labels = tifffile.imread(file), tifffile.imread(mask)
        if image.ndim != 2 or image.shape != labels.shape:
            raise LabelsError(
                f"{file.name} is {image.shape} and its mask {labels.shape}; both must be one plane "
                "of the same size"
            )
        real.append(Field(file.name, labels.astype(np.int32), image.astype(np.float32)))
    drawn = []
    for file in sorted((folder / "tissue_masks").glob("*_binary_seg_maps.tif")):
        labels = tifffile.imread(file, key=1).astype(np.int32)
        drawn.append(Field(file.name, labels, membranes=tifffile.imread(file, key=3) > 0))
    if not real and not drawn:
        raise LabelsError(f"{folder.name} has no images/*.tif with masks/*.tif to train on")
    return real, drawn


def scaled(field: Field, diameter_px: float = TYPICAL_PX, enlarge: float = 1.6) -> Field:
    """Return a field resampled so that its median nucleus has the given diameter.

    Pictures are enlarged by at most ``enlarge``. A field without nuclei stays as it is.
    """
    from skimage.transform import resize

    area = np.bincount(field.labels.ravel())[1:]
    if field.image is None or not area.any():
        return field
    factor = min(diameter_px / float(np.median(np.sqrt(area[area > 0] * 4 / np.pi))), enlarge)
    shape = tuple(max(16, round(side * factor)) for side in field.labels.shape)
    labels = resize(field.labels, shape, order=0, preserve_range=True, anti_aliasing=False)
    image = resize(field.image, shape, order=1, preserve_range=True, anti_aliasing=factor < 1)
    return Field(field.name, labels.astype(np.int32), image.astype(np.float32))


class Patches:
    """Endless patches with their targets, equal for equal seeds.

    Parameters
    ----------
    real, drawn
        Fields with pictures (already ``scaled``), and fields to render onto.
    size
        Edge of a patch in pixels.
    rendered
        Share of patches that are rendered; all or none where one kind of field is missing.
    """

    def __init__(
        self, real: list[Field], drawn: list[Field], size: int = 224, rendered: float = 0.5
    ) -> None:
        self.real, self.drawn, self.size = real, drawn, size
        self.rendered = rendered if real and drawn else float(not real)

    def patch(self, seed: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return image ``(1, s, s)`` and targets ``(3, s, s)``: flow y, flow x, inside."""
        rng = np.random.default_rng(seed)
        size = self.size + 2 * _MARGIN
        if rng.random() < self.rendered:
            image, labels = self._rendered(rng, size)
        else:
            image, labels = self._pictured(rng, size)
        image = distort(image, rng)
        cut = slice(_MARGIN, -_MARGIN)
        flows = label_flows(labels)
        inside = (labels > 0).astype(np.float32)
        targets = np.concatenate([flows, inside[None]])[:, cut, cut]
        return np.ascontiguousarray(image[None, cut, cut]), np.ascontiguousarray(targets)

    def _pictured(self, rng: np.random.Generator, size: int) -> tuple[Any, Any]:
        field = self.real[int(rng.integers(len(self.real)))]
        matrix = _matrix(rng, 0.6, 1.45)
        where = _somewhere(rng, field.labels.shape, size)
        assert field.image is not None
        image = field.image - np.percentile(field.image, 0.5)
        return warp(image, matrix, where, size, 1), warp(field.labels, matrix, where, size, 0)

    def _rendered(self, rng: np.random.Generator, size: int) -> tuple[Any, Any]:
        field = self.drawn[int(rng.integers(len(self.drawn)))]
        matrix = _matrix(rng, 0.7, 1.9)
        where = _somewhere(rng, field.labels.shape, size)
        labels = _smooth(warp(field.labels, matrix, where, size, 0), rng)
        thin = rng.random()
        if thin < 0.5:
            keep = rng.random(int(labels.max(initial=0)) + 1) < rng.uniform(0.1, 1.0)
            labels = np.where(keep[labels], labels, 0)
        ghosts = membranes = None
        if rng.random() < 0.5:
            other = self.drawn[int(rng.integers(len(self.drawn)))]
            there = _somewhere(rng, other.labels.shape, size)
            ghosts = warp(other.labels, _matrix(rng, 0.8, 1.6), there, size, 0)
            keep = rng.random(int(ghosts.max(initial=0)) + 1) < rng.uniform(0.05, 0.6)
            ghosts = np.where(keep[ghosts], ghosts, 0)
        if field.membranes is not None and rng.random() < 0.4:
            membranes = warp(field.membranes.astype(np.float32), matrix, where, size, 1)
        return render_stain(labels, rng, ghosts=ghosts, membranes=membranes), labels


def _matrix(rng: np.random.Generator, low: float, high: float) -> npt.NDArray[np.float64]:
    """Turn, mirror, scale by ``low`` to ``high``, and stretch a little along one direction."""
    scale = np.exp(rng.uniform(np.log(low), np.log(high)))
    stretch = np.exp(rng.normal(0.0, 0.12))
    turn, lean = rng.uniform(0, 2 * np.pi, 2)
    mirror = np.diag([1.0, rng.choice([-1.0, 1.0])])
    matrix = _rotation(turn) @ mirror
    matrix = matrix @ _rotation(lean) @ np.diag([stretch, 1 / stretch]) @ _rotation(-lean)
    return np.asarray(matrix / scale)


def _rotation(angle: float) -> npt.NDArray[np.float64]:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _somewhere(rng: np.random.Generator, shape: tuple[int, ...], size: int) -> list[float]:
    """Return a place whose patch stays mostly within the plane."""
    return [
        rng.uniform(min(0.35 * size, side / 2), max(side - 0.35 * size, side / 2)) for side in shape
    ]


def _smooth(labels: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Round the corners of enlarged labels, and now and then leave a gap between neighbours."""
    from scipy import ndimage as ndi

    inside = labels > 0
    if rng.random() < 0.4:
        for axis in (0, 1):
            inside &= (np.roll(labels, 1, axis) == labels) & (np.roll(labels, -1, axis) == labels)
    inside &= ndi.uniform_filter(inside.astype(np.float32), 3) > 0.4
    return np.asarray(np.where(inside, labels, 0), dtype=np.int32)
