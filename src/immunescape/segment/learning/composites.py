"""Real tissue from rendered pictures: the nuclear stain unmixed, with the labels of inForm.

Pictures with masks drawn by hand are mostly of cultured cells. inForm exports a composite picture
of each field, all stains in their colours, beside its maps of nuclei; the nuclear stain got out of
it is blurred by the compression, but is tissue as a microscope saw it: crowded, hazy, with bright
nuclei beside dim ones. The labels are another program's, not a person's, so that nothing is
measured against them but agreement.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.errors import LabelsError
from immunescape.segment.learning.data import TISSUE, Field

__all__ = ["read_composites", "unmixed", "weak_labels"]

_MAPS = "_binary_seg_maps.tif"
_COMPOSITE = "_composite_image.jpg"
_PIXEL_UM = 0.5

_GREEN = (1.0, 0.8)
"""Shares of the other colours that are taken away from blue: one field for each."""
_RED = 0.8
"""Red counts for less than green: the display colours that hold red are less blue."""
_BLOCKS_PX = 0.7
"""Standard deviation of the blur that hides the blocks of the compression."""

_RIM_PX = 2
"""Light so near a labelled nucleus is its own glow."""
_BRIGHT = 0.25
"""Unlabelled light above this quantile of the nuclei's own means may be a nucleus left out."""


def read_composites(folder: Path) -> list[Field]:
    """Read the composite pictures of ``tissue_masks`` with inForm's labels of the nuclei.

    Parameters
    ----------
    folder
        Holds ``tissue_masks/*_composite_image.jpg``, each with ``*_binary_seg_maps.tif``, whose
        second page are the nuclei, at 0.5 µm per pixel.

    Returns
    -------
    list of Field
        Two a picture, sorted by name, of kind ``TISSUE``: unmixed wholly and in part. Their names
        are those of the maps, so that a field held out for its geometry is known again. Empty
        where there is no composite.

    Raises
    ------
    LabelsError
        If a picture has no maps, or another size than they have.
    """
    import tifffile
    from skimage.io import imread

    fields = []
    for file in sorted((folder / "tissue_masks").glob(f"*{_COMPOSITE}")):
        maps = file.with_name(file.name.removesuffix(_COMPOSITE) + _MAPS)
        if not maps.exists():
            raise LabelsError(f"{file.name} has no maps; put {maps.name} beside it")
        colours = np.asarray(imread(file))
        nuclei = tifffile.imread(maps, key=1).astype(np.int32)
        if colours.shape != (*nuclei.shape, 3):
            raise LabelsError(
                f"{file.name} is {colours.shape} and its maps {nuclei.shape}; both must show the "
                "same field in colours"
            )
        labels = weak_labels(unmixed(colours, _GREEN[0]), nuclei)
        fields += [
            Field(maps.name, labels, unmixed(colours, share), pixel_um=_PIXEL_UM, kind=TISSUE)
            for share in _GREEN
        ]
    return fields


def unmixed(colours: npt.NDArray[Any], share: float) -> npt.NDArray[np.float32]:
    """Return the light that only a blue stain can have given.

    Parameters
    ----------
    colours
        ``(y, x, 3)``, red, green and blue.
    share
        Share of the light of other stains that is taken away: a cyan stain is as green as it is
        blue, a white or magenta one about as red.

    Returns
    -------
    numpy.ndarray
        ``(y, x)`` float32, 0 and more, blurred by less than a pixel.
    """
    from scipy import ndimage as ndi

    red, green, blue = np.moveaxis(colours.astype(np.float32), -1, 0)
    left = blue - np.float32(share) * np.maximum(green, np.float32(_RED) * red)
    return np.asarray(ndi.gaussian_filter(np.maximum(left, 0.0), _BLOCKS_PX), dtype=np.float32)


def weak_labels(
    stain: npt.NDArray[np.float32], nuclei: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    """Return the labels with -1, unknown, where light may be a nucleus that was left out.

    Parameters
    ----------
    stain
        ``(y, x)`` light of the nuclear stain.
    nuclei
        ``(y, x)`` labels of another program, 0 where it found nothing.

    Notes
    -----
    Unknown is light without a label, two pixels and more from any, that is brighter than a quarter
    of the labelled nuclei are on average. Without a nucleus nothing is unknown.
    """
    from scipy import ndimage as ndi
    from skimage.morphology import disk

    found = np.unique(nuclei[nuclei > 0])
    if not found.size:
        return nuclei
    level = np.quantile(ndi.mean(stain, nuclei, found), _BRIGHT)
    near = ndi.binary_dilation(nuclei > 0, disk(_RIM_PX))
    return np.where((stain > level) & ~near, -1, nuclei).astype(np.int32)
