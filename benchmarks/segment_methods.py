"""Ways to find nuclei, each from a picture and its pixel size to labels."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int32]
Finder = Callable[[npt.NDArray[np.float32], float], Labels]
"""From ``(y, x)`` float32 and the edge of a pixel in µm to labels."""

DIAMETER_UM = 9.0
"""Typical width of a nucleus, as every method is told it."""

MIN_AREA_UM2 = 10.0


class AbsentError(Exception):
    """A method cannot be run here; the message says why."""


@dataclass(frozen=True)
class Setting:
    """What the methods are given beside the pictures.

    Parameters
    ----------
    weights
        Network of our own engine: ``compact`` or the path of weights.
    precision
        Type it computes in.
    flow_threshold
        Of our own engine; negative for its default.
    threads
        Threads of networks; 0 leaves the libraries' own choice.
    constant_um
        Pixel size of the pictures that StarDist was trained on, as near as it is known.
    """

    weights: str = "compact"
    precision: str = "float32"
    flow_threshold: float = -1.0
    threads: int = 0
    constant_um: float = 0.5


def otsu_watershed(image: npt.NDArray[np.float32], pixel_um: float) -> Labels:
    """Find nuclei without a network.

    Parameters
    ----------
    image
        ``(y, x)`` nuclear stain, bright on dark.
    pixel_um
        Edge of a pixel.

    Returns
    -------
    numpy.ndarray
        ``(y, x)`` int32, 0 is background; all 0 where the picture has no contrast.

    Notes
    -----
    The picture is smoothed by 0.25 µm, its root taken (noise of light becomes even and the
    brightest nuclei weigh less) and the mean of ten diameters around taken off. A pixel is inside
    where that is above Otsu's threshold of the picture and above the mean of one and a half
    diameters around, which opens the gaps of crowds; holes up to a quarter of a nucleus are filled.
    Seeds are peaks of the distance to the background, smoothed by a twentieth of a diameter and at
    least a quarter of one apart, from which a watershed floods. Pieces under 10 µm² are dropped.
    These numbers were chosen on 70 pictures of the training set.
    """
    from scipy import ndimage as ndi
    from skimage.feature import peak_local_max
    from skimage.filters import threshold_otsu
    from skimage.morphology import remove_small_holes
    from skimage.segmentation import watershed

    diameter = DIAMETER_UM / pixel_um
    smooth = ndi.gaussian_filter(image.astype(np.float32), 0.25 / pixel_um)
    smooth = np.sqrt(smooth - smooth.min())
    smooth -= ndi.uniform_filter(smooth, max(round(10 * diameter), 3))
    if not np.ptp(smooth) > 0:
        return np.zeros(image.shape, np.int32)
    around = ndi.uniform_filter(smooth, max(round(1.5 * diameter), 3))
    inside = (smooth > threshold_otsu(smooth)) & (smooth > around)
    inside = remove_small_holes(inside, max_size=int(np.pi / 4 * diameter**2 / 4))
    depth = ndi.distance_transform_edt(np.pad(inside, 1, mode="edge"))[1:-1, 1:-1]
    depth = ndi.gaussian_filter(depth.astype(np.float32), diameter / 20)
    peaks = peak_local_max(
        depth,
        min_distance=max(round(diameter / 4), 1),
        labels=ndi.label(inside)[0],
        exclude_border=False,
    )
    seeds = np.zeros(image.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    found = watershed(-depth, seeds, mask=inside)
    small = np.bincount(found.ravel()) < MIN_AREA_UM2 / pixel_um**2
    return np.where(small[found], 0, found).astype(np.int32)


def make_otsu(setting: Setting) -> tuple[str, Finder]:
    return "scikit-image", otsu_watershed


def make_compact(setting: Setting) -> tuple[str, Finder]:
    """Return our own engine with its defaults."""
    from immunescape.segment import SegmentParams, load_model, segment_nuclei
    from immunescape.slide import Slide

    model = load_model(setting.weights, device="cpu", precision=setting.precision)  # type: ignore[arg-type]
    threshold = {"flow_threshold": setting.flow_threshold} if setting.flow_threshold >= 0 else {}
    params = SegmentParams(device="cpu", **threshold)

    def find(image: npt.NDArray[np.float32], pixel_um: float) -> Labels:
        slide = Slide("picture", (image[None],), ("DAPI",), pixel_um)
        out = np.zeros(slide.shape, np.int32)
        segment_nuclei(slide, ("DAPI",), out, params, model=model)
        return out

    return f"{Path(setting.weights).name}, weights {model.sha256[:12]}", find


def make_cellpose_sam(setting: Setting) -> tuple[str, Finder]:
    """Return Cellpose-SAM in its own program with its defaults, told the diameter."""
    import logging

    folder = os.environ.get("CELLPOSE_LOCAL_MODELS_PATH")
    where = Path(folder) if folder else Path.home() / ".cellpose" / "models"
    files = [where / name for name in ("cpsam_v2", "cpsam") if (where / name).is_file()]
    if not files:
        raise AbsentError("no weights cpsam_v2 or cpsam in Cellpose's folder of models")
    logging.getLogger("cellpose").setLevel(logging.ERROR)
    import torch
    from cellpose.models import CellposeModel

    model = CellposeModel(pretrained_model=os.fspath(files[0]), device=torch.device("cpu"))

    def find(image: npt.NDArray[np.float32], pixel_um: float) -> Labels:
        return np.asarray(model.eval(image, diameter=DIAMETER_UM / pixel_um)[0], dtype=np.int32)

    return files[0].name, find


def make_stardist(setting: Setting) -> tuple[str, Finder]:
    """Return StarDist with its defaults, scaled to pixels like those it was trained on."""
    if importlib.util.find_spec("stardist") is None:
        raise AbsentError("the package stardist is not installed")
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    kept = sorted((home / "models" / "StarDist2D").glob("2D_versatile_fluo*/**/weights_best.h5"))
    kept = [file for file in kept if (file.parent / "config.json").is_file()]
    if not kept:
        raise AbsentError("no weights 2D_versatile_fluo in the cache of Keras")
    from csbdeep.utils import normalize
    from stardist.models import StarDist2D

    model: Any = StarDist2D(None, name=kept[0].parent.name, basedir=str(kept[0].parent.parent))

    def find(image: npt.NDArray[np.float32], pixel_um: float) -> Labels:
        scale = pixel_um / setting.constant_um
        found, _ = model.predict_instances(normalize(image, 1, 99.8), scale=scale)
        return np.asarray(found, dtype=np.int32)

    return "2D_versatile_fluo", find


def make_instanseg(setting: Setting) -> tuple[str, Finder]:
    """Return InstanSeg with the weights of its authors."""
    from segment_instanseg import load_instanseg

    found = load_instanseg()
    if found is None:
        raise AbsentError("no weights of InstanSeg; fetch them with: make instanseg")
    return found


METHODS = {
    "compact": make_compact,
    "otsu + watershed": make_otsu,
    "instanseg": make_instanseg,
    "cellpose-sam": make_cellpose_sam,
    "stardist": make_stardist,
}
"""Ways to find nuclei by name: each loads what it needs, and says which version that is."""
