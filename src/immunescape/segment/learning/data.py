"""Fields to train on: pictures with their masks, or masks to render stains onto."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from immunescape.errors import LabelsError

__all__ = ["SIMULATED", "TISSUE", "TYPICAL_UM", "Field", "read_fields", "read_pairs", "scaled"]

TYPICAL_UM = 9.0
"""Diameter that the median nucleus of a field of unknown pixel size is taken to have."""

SIMULATED = "simulated"
"""Kind of the fields that were simulated; they have a share of the patches of their own."""

TISSUE = "tissue"
"""Kind of the fields of real tissue whose labels are another program's; likewise."""


@dataclass(frozen=True, eq=False)
class Field:
    """One field to train on.

    Parameters
    ----------
    name
        File name, which also orders fields.
    labels
        ``(y, x)`` int32, 0 is background, -1 where nothing was annotated.
    image
        ``(y, x)`` float32, or None where stains are to be rendered.
    membranes
        ``(y, x)`` bool, where a membrane stain may bleed in; rendered fields only.
    pixel_um
        Edge of a pixel; 0 where it is unknown.
    kind
        Where it comes from: rare kinds are shown more often than their number tells.
    levelled
        Whether the picture is on the scale of its slide's levels, 0 and 1, and must stay there:
        part of a slide is seen with the levels of the whole.
    """

    name: str
    labels: npt.NDArray[np.int32]
    image: npt.NDArray[np.float32] | None = None
    membranes: npt.NDArray[np.bool_] | None = None
    pixel_um: float = 0.0
    kind: str = ""
    levelled: bool = False


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

    real = read_pairs(folder / "train" if (folder / "train").is_dir() else folder)
    drawn = []
    for file in sorted((folder / "tissue_masks").glob("*_binary_seg_maps.tif")):
        labels = tifffile.imread(file, key=1).astype(np.int32)
        drawn.append(Field(file.name, labels, membranes=tifffile.imread(file, key=3) > 0))
    if not real and not drawn:
        raise LabelsError(f"{folder.name} has no images/*.tif with masks/*.tif to train on")
    return real, drawn


def read_pairs(folder: Path, kind: str = "", pixel_um: float = 0.0) -> list[Field]:
    """Read ``images/*.tif`` with ``masks/*.tif``, sorted by name.

    Without a kind, pictures of one size are one kind: they mostly come from one source.

    Raises
    ------
    LabelsError
        If a mask is missing, or the shapes of a pair differ.
    """
    import tifffile

    fields = []
    for file in sorted((folder / "images").glob("*.tif*")):
        mask = folder / "masks" / file.name
        if not mask.exists():
            raise LabelsError(f"{file.name} has no mask; put one of that name into masks")
        image, labels = tifffile.imread(file), tifffile.imread(mask)
        if image.ndim != 2 or image.shape != labels.shape:
            raise LabelsError(
                f"{file.name} is {image.shape} and its mask {labels.shape}; both must be one plane "
                "of the same size"
            )
        height, width = image.shape
        fields.append(
            Field(
                file.name,
                labels.astype(np.int32),
                image.astype(np.float32),
                pixel_um=pixel_um,
                kind=kind or f"{height} x {width}",
            )
        )
    return fields


def scaled(field: Field, pixel_um: float = 0.5, enlarge: float = 4.0) -> Field:
    """Return a field resampled to pixels of one size.

    Parameters
    ----------
    field
        A field with a picture; one without, or without nuclei and pixel size, stays as it is.
    pixel_um
        Edge of a pixel of the result.
    enlarge
        Pictures are enlarged by no more than this.
    """
    from skimage.transform import resize

    if field.image is None:
        return field
    if field.pixel_um:
        factor = field.pixel_um / pixel_um
    else:
        area = np.bincount(np.maximum(field.labels, 0).ravel())[1:]
        if not area.any():
            return field
        diameter_px = float(np.median(np.sqrt(area[area > 0] * 4 / np.pi)))
        factor = TYPICAL_UM / pixel_um / diameter_px
    factor = min(factor, enlarge)
    shape = tuple(max(16, round(side * factor)) for side in field.labels.shape)
    labels = resize(field.labels, shape, order=0, preserve_range=True, anti_aliasing=False)
    image = resize(field.image, shape, order=1, preserve_range=True, anti_aliasing=factor < 1)
    return replace(
        field,
        labels=labels.astype(np.int32),
        image=image.astype(np.float32),
        pixel_um=field.pixel_um / factor,
    )
