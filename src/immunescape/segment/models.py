"""Choosing a network by name and asking it for flows."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from immunescape.errors import ModelError
from immunescape.segment._triton import hide_triton
from immunescape.segment.precision import Precision, chosen_precision
from immunescape.segment.warming import uncollected

__all__ = [
    "CELLPOSE_MODELS",
    "COMPACT_WEIGHTS",
    "NETWORK_UM",
    "Model",
    "load_model",
    "usable_models",
]

CELLPOSE_MODELS = ("cpsam_v2", "cpsam", "cpdino", "cpdino-vitb")
"""Networks of Cellpose that are known by name."""

COMPACT_WEIGHTS = Path(__file__).parent / "weights" / "compact.safetensors"
"""Weights of our own network, shipped in the package."""

NETWORK_UM = 0.5
"""Edge of a pixel in µm at which the compact network is run."""

_HALF = "bfloat16"
"""Type in which Cellpose runs its own networks."""
_PATCH_PX = 2048
_CELLPOSE_DIAMETER_PX = 30.0


@dataclass(frozen=True, eq=False)
class Model:
    """A network ready to predict.

    Pickled is how it was loaded; the copy is loaded again, once a process.

    Parameters
    ----------
    name
        Name asked for; of a path the file name alone.
    sha256
        Hash of the weights file.
    pixel_um
        Edge of a pixel in µm at which the network works.
    patch_px, halo_px
        Edge of a patch's core, and how much is read around it.
    device
        Where it runs: ``cpu``, ``cuda`` or ``mps``.
    threads
        Threads of the processor it may use.
    precision
        Type it computes in.
    predict
        From ``(y, x)`` float32 with levels 0 and 1 to ``(3, y, x)`` float32: flow y, flow x (both
        times five), logit of being inside.
    net
        The network itself, as Cellpose would run it.
    source
        Name, diameter, device and precision that give it again; None for one made in memory,
        which cannot be pickled.
    """

    name: str
    sha256: str
    pixel_um: float
    patch_px: int
    halo_px: int
    device: str
    threads: int
    precision: str
    predict: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
    net: Any
    source: "tuple[str, float, str, str] | None" = None

    def __reduce__(self) -> tuple[Any, ...]:
        if self.source is None:
            raise TypeError(f"the network {self.name} was made in memory and cannot be pickled")
        return _loaded, (*self.source, self.sha256)


@lru_cache(maxsize=1)
def _loaded(name: str, diameter_um: float, device: Any, precision: Any, sha256: str) -> Model:
    """Load a network again: the same one, even where its file was overwritten meanwhile."""
    model = load_model(name, diameter_um=diameter_um, device=device, precision=precision)
    if model.sha256 != sha256:
        raise ModelError(
            f"{Path(name).name} has other weights in a worker process than where the run began; "
            "give all machines the same file, leave it alone while a run lasts, and start again"
        )
    return model


def load_model(
    name: str,
    *,
    diameter_um: float = 8.0,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    precision: Precision = "auto",
) -> Model:
    """Load a network.

    Parameters
    ----------
    name
        ``compact``, a name of ``CELLPOSE_MODELS``, or the path of a weights file: ours
        (``.safetensors``) or one that Cellpose 4 wrote.
    diameter_um
        Typical nuclear diameter, which Cellpose's networks expect to be 30 pixels.
    device
        ``auto`` takes a graphics processor where there is one.
    precision
        Type in which the network computes; auto takes bfloat16 where the processor multiplies it
        natively and float32 on one that does not, and bfloat16, as Cellpose does, for Cellpose's
        networks on anything but a processor.

    Raises
    ------
    ModelError
        If the name is unknown, the file is missing or of another kind, a download is impossible,
        or the device is absent.
    """
    model = _open(name, diameter_um, device, precision)
    # the type is that of this machine wherever it is loaded again, so that labels agree
    known = name in ("compact", *CELLPOSE_MODELS)
    found = name if known else str(Path(name).expanduser().absolute())
    return replace(model, source=(found, diameter_um, device, model.precision))


def _open(name: str, diameter_um: float, device: str, precision: str) -> Model:
    hide_triton()
    if name == "compact":
        return _compact(COMPACT_WEIGHTS, name, device, precision)
    if name in CELLPOSE_MODELS:
        if name.startswith("cpdino"):
            _need_dinov3(name)
        return _cellpose(_cellpose_file(name), name, diameter_um, device, precision)
    path = Path(name).expanduser()
    if not path.is_file():
        known = ", ".join(("compact", *CELLPOSE_MODELS))
        raise ModelError(f"{path.name} is no model; give one of {known}, or the path of weights")
    if path.suffix == ".safetensors":
        return _compact(path, path.name, device, precision)
    return _cellpose(path, path.name, diameter_um, device, precision)


def _compact(path: Path, name: str, device: str, precision: str) -> Model:
    with uncollected():
        import torch

        from immunescape.segment.network import HALO_PX, STRIDE_PX, folded, load_weights

    if not path.is_file():
        raise ModelError(f"{path.name} is missing from the package; install it again")
    where = _device(device)
    try:
        net = folded(load_weights(path))
    except Exception as error:
        raise ModelError(
            f"{path.name} does not fit the compact network; give weights that train wrote"
        ) from error
    precision = chosen_precision(precision, where)
    net = net.to(where, memory_format=torch.channels_last)
    net.dtype = getattr(torch, precision)

    def predict(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        height, width = image.shape
        image = np.pad(image, ((0, -height % STRIDE_PX), (0, -width % STRIDE_PX)))
        batch = torch.from_numpy(image)[None, None].to(where, net.dtype)
        with torch.inference_mode():
            flows = net(batch)[0][0].to("cpu", torch.float32, memory_format=torch.contiguous_format)
        return np.ascontiguousarray(flows.numpy()[:, :height, :width])

    return Model(
        name, _sha256(path), NETWORK_UM, _PATCH_PX, HALO_PX, where, int(torch.get_num_threads()),
        precision, predict, net,
    )  # fmt: skip


def usable_models() -> dict[str, bool]:
    """Return the networks known by name that this installation can run; nothing is loaded.

    Returns
    -------
    dict
        Name to whether its weights are on this machine; the others are downloaded at first use.
    """
    from importlib.util import find_spec

    usable = {"compact": COMPACT_WEIGHTS.is_file()}
    if find_spec("cellpose") is not None:
        dinov3 = find_spec("dinov3") is not None
        usable |= {
            name: _cellpose_place(name).is_file()
            for name in CELLPOSE_MODELS
            if dinov3 or not name.startswith("cpdino")
        }
    return usable


def _cellpose_place(name: str) -> Path:
    folder = os.environ.get("CELLPOSE_LOCAL_MODELS_PATH")
    return (Path(folder) if folder else Path.home() / ".cellpose" / "models") / name


def _cellpose_file(name: str) -> Path:
    """Return the weights of a named Cellpose network, after Cellpose's own download if need be."""
    file = _cellpose_place(name)
    if file.is_file():
        return file
    try:
        return Path(_cellpose_models().cache_model_path(name))
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"{name} could not be downloaded; put its weights, the file {name} of "
            "huggingface.co/mouseland/cellpose-sam, into the folder .cellpose/models of your home "
            "(or that of CELLPOSE_LOCAL_MODELS_PATH), or use the model compact"
        ) from error


def _cellpose(path: Path, name: str, diameter_um: float, device: str, precision: str) -> Model:
    import pickle

    import torch

    models = _cellpose_models()
    where = _device(device)
    try:
        backbone = models.get_backbone(os.fspath(path))
    except (RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as e:
        raise ModelError(
            f"{path.name} holds no weights of Cellpose 4; give a file that Cellpose 4 wrote"
        ) from e
    if backbone != "sam_vitl":
        _need_dinov3(name)
    # Cellpose's own choice but on a processor without half precision, which takes far longer in it
    kind = chosen_precision(precision, where) if where == "cpu" or precision != "auto" else _HALF
    try:
        net = models.CellposeModel(
            pretrained_model=os.fspath(path), device=torch.device(where),
            use_bfloat16=kind == _HALF,
        ).net  # fmt: skip
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path.name} holds no weights of Cellpose 4; give a file that Cellpose 4 wrote"
        ) from error
    net.eval()

    def predict(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        from cellpose import core

        stack = np.zeros((1, *image.shape, 3), dtype=np.float32)
        stack[0, ..., 0] = image
        batch = 1 if where == "cpu" else 8
        flows, _ = core.run_net(net, stack, batch_size=batch, bsize=256, tile_overlap=0.1)
        return np.ascontiguousarray(np.moveaxis(flows[0], -1, 0), dtype=np.float32)

    pixel_um = diameter_um / _CELLPOSE_DIAMETER_PX
    return Model(
        name, _sha256(path), pixel_um, 768, 128, where, int(torch.get_num_threads()),
        kind, predict, net,
    )  # fmt: skip


def _need_dinov3(name: str) -> None:
    import importlib.util

    if importlib.util.find_spec("dinov3") is None:
        raise ModelError(
            f"{name} needs the package dinov3; run pip install "
            "git+https://github.com/facebookresearch/dinov3, or use the model compact"
        )


def _cellpose_models() -> Any:
    import logging

    logging.getLogger("cellpose").setLevel(logging.ERROR)
    from cellpose import models

    return models


def _device(wanted: str) -> str:
    import torch

    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if wanted == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if not there[wanted]:
        raise ModelError(f"this machine has no {wanted} device; pass --segment.device auto")
    return wanted


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
