"""Finding which picture belongs to which label image in a folder of annotated pairs."""

from dataclasses import dataclass
from pathlib import Path

from immunescape.errors import LabelsError
from immunescape.io.found import slide_name

__all__ = ["Pair", "find_pairs"]

_IMAGES = (
    ".tif", ".tiff", ".btf", ".tf2", ".tf8", ".qptiff", ".zarr",
    ".png", ".jpg", ".jpeg", ".bmp", ".czi", ".nd2", ".lif",
)  # fmt: skip
"""Endings taken for pictures, so that one of a kind that is not read is named, not passed over."""

_ENDINGS = ("_cp_masks", "_nuclei", "_masks", "_mask", "_labels", "_label")
"""What people append to the name of a picture to name its masks."""

_FOLDERS = ("masks", "labels")
_RESULT = "labels.zarr"
_LAYOUT = (
    "put pictures into images/ and label images of the same names into masks/, or both side by "
    "side as NAME.ome.tif and NAME_nuclei.tif"
)


@dataclass(frozen=True, order=True)
class Pair:
    """A picture with its label image.

    Parameters
    ----------
    name
        Name of the picture, less the endings of its format.
    image, mask
        Where the two are; each a file or an OME-Zarr folder.
    region
        GeoJSON of what was annotated, where only a part was.
    """

    name: str
    image: Path
    mask: Path
    region: Path | None = None


def find_pairs(folder: Path) -> tuple[Pair, ...]:
    """Find the annotated pairs of a folder, without opening them.

    Parameters
    ----------
    folder
        Either holds ``images`` and ``masks`` (or ``labels``), in which a picture and its label
        image have the same name, or holds both side by side, the label image named like its
        picture with ``_nuclei``, ``_masks``, ``_mask``, ``_labels``, ``_label`` or ``_cp_masks``
        after it. Names are compared without the endings of formats: ``P07.ome.tif`` and
        ``P07.tif`` are of one name. Among the label images a folder ``P07`` with ``labels.zarr``
        in it, as ``run`` writes it, is that of ``P07``. ``P07.geojson`` beside the label image
        says which part of it was annotated.

    Returns
    -------
    tuple of Pair
        At least one; sorted by name.

    Raises
    ------
    LabelsError
        If there is no pair, a picture lacks its label image or a label image its picture, or two
        files have one name.
    """
    if not folder.is_dir():
        raise LabelsError(f"{folder.name} is not a folder; {_LAYOUT}")
    beside = next((folder / name for name in _FOLDERS if (folder / name).is_dir()), None)
    if (folder / "images").is_dir():
        if beside is None:
            raise LabelsError(f"{folder.name} has images but no masks folder; {_LAYOUT}")
        images = _by_name(_pictures(folder / "images"))
        masks = _by_name(_masks(beside))
        masks = {_matching(name, images): path for name, path in masks.items()}
    else:
        beside = folder
        files = _by_name(_pictures(folder))
        whose = {name: _without_ending(name) for name in files}
        masks = {whose[name]: path for name, path in files.items() if whose[name] != name}
        images = {name: path for name, path in files.items() if whose[name] == name}
    if not images:
        raise LabelsError(f"{folder.name} holds no pictures to train on; {_LAYOUT}")
    for name, path in images.items():
        if name not in masks:
            raise LabelsError(
                f"{path.name} has no label image; add one named {name} to {beside.name}, or remove "
                "the picture"
                if beside != folder
                else f"{path.name} has no label image; add {name}_nuclei.tif, or remove the picture"
            )
    for name, path in masks.items():
        if name not in images:
            raise LabelsError(
                f"{path.name} has no picture of the same name; add it, or remove the label image"
            )
    regions = {slide_name(p.with_suffix("")): p for p in sorted(beside.glob("*.geojson"))}
    return tuple(
        Pair(name, path, masks[name], regions.get(name)) for name, path in sorted(images.items())
    )


def _pictures(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and path.suffix.lower() in _IMAGES
    ]


def _masks(folder: Path) -> list[Path]:
    """Return label images, those in a result's folder included, each under a name of its own."""
    results = [
        path
        for path in sorted(folder.iterdir())
        if path.is_dir() and path.suffix.lower() != ".zarr" and (path / _RESULT).is_dir()
    ]
    return [*_pictures(folder), *(path / _RESULT for path in results)]


def _by_name(paths: list[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in paths:
        if (other := named.get(name := _name(path))) is not None:
            raise LabelsError(
                f"{path.name} and {other.name} are both named {name}; keep one of them"
            )
        named[name] = path
    return named


def _name(path: Path) -> str:
    """Return the name of a file less the endings of its format."""
    if path.name == _RESULT:
        return path.parent.name
    name = slide_name(path)
    return name if name != path.name else path.stem


def _without_ending(name: str) -> str:
    """Return the name of the picture that a label image of this name belongs to."""
    for ending in _ENDINGS:
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    return name


def _matching(name: str, images: dict[str, Path]) -> str:
    """Return the name of the picture, which a label image may bear with or without an ending."""
    return name if name in images else _without_ending(name)
