"""What a reader found in a file, and the checks that every format shares."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from immunescape.blocks import Volume
from immunescape.errors import ChannelNamesError, PixelSizeError, SceneError, SlideError
from immunescape.slide import Imaged, Slide

__all__ = [
    "Found",
    "Scene",
    "choose_scene",
    "clean_name",
    "finish",
    "level_arrays",
    "slide_name",
]

_ENDINGS = re.compile(
    r"(?:\.ome)?\.(?:tiff?|btf|tf[28]|qptiff|zarr)$|\.ome$|[._ -]component_data$", re.IGNORECASE
)
_LARGE = 8192
_USUAL_UM = (0.05, 5.0)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a reader found, before the user's words are heard and the common checks are made.

    Parameters
    ----------
    arrays
        Pyramid of ``(c, y, x)`` arrays, full resolution first.
    channels
        Name of each channel; None where the file gives none.
    pixel_um
        Height and width of a pixel in µm; None if the file does not say.
    format
        As ``immunescape info`` prints it.
    no_size
        Why there is no pixel size, completing "FILE ...".
    names_needed
        Whether channels without a name are refused instead of numbered.
    scene
        Number of the scene, from 1, if the file has several.
    notes
        Warnings of this format.
    name
        Name of the slide where it is not the file's.
    imaged, facts, exposure_ms
        See `immunescape.slide.Slide`.
    """

    arrays: tuple[Volume, ...]
    channels: tuple[str | None, ...]
    pixel_um: tuple[float, float] | None
    format: str
    no_size: str = "has no pixel size"
    names_needed: bool = False
    scene: int | None = None
    notes: tuple[str, ...] = ()
    name: str = ""
    imaged: Imaged | None = None
    facts: tuple[str, ...] = ()
    exposure_ms: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Scene:
    """One of several images in a file.

    Parameters
    ----------
    size
        Channels, height and width, for the list that a user chooses from.
    name
        Name in the file: it may be chosen by, and is never printed, for it may name a patient.
    """

    size: tuple[int, int, int]
    name: str = ""


def slide_name(path: Path) -> str:
    """Return the name of a slide: its file's, less the endings of the format.

    >>> slide_name(Path("P07.ome.tif")), slide_name(Path("A_component_data.tif"))
    ('P07', 'A')
    """
    name = path.name
    while (shorter := _ENDINGS.sub("", name)) != name and shorter:
        name = shorter
    return name


def choose_scene(path: Path, scenes: Sequence[Scene], wanted: str | int | None) -> int:
    """Return the position of the scene a user asked for, or of the only one.

    Parameters
    ----------
    wanted
        Number from 1, or the scene's name in the file; None if nobody asked.

    Raises
    ------
    SlideError
        If there are several and none was asked for, or if there is no such scene; the message
        lists number and size of each.
    """
    if wanted is None and len(scenes) == 1:
        return 0
    each = tuple(
        f"{i} ({s.size[2]} x {s.size[1]} px, {s.size[0]} channels)" for i, s in enumerate(scenes, 1)
    )
    listed = ", ".join(each)
    if wanted is None:
        raise SceneError(
            f"{path.name} has {len(scenes)} scenes: {listed}; pass --scene with one of them", each
        )
    text = str(wanted).strip()
    named = [i for i, s in enumerate(scenes) if s.name and s.name == text]
    if len(named) == 1:
        return named[0]
    if text.isdecimal() and 1 <= int(text) <= len(scenes):
        return int(text) - 1
    raise SlideError(f"{path.name} has no scene {text!r}; pass --scene with one of {listed}")


def finish(
    found: Found,
    path: Path,
    pixel_size_um: float | None,
    channel_names: tuple[str, ...] | None,
) -> Slide:
    """Make the slide from what was found and what the user said.

    Raises
    ------
    SlideError
        If pixel size, channel names or type of the pixels cannot be used.
    """
    notes = list(found.notes)
    _check_dtype(found, path)
    channels = _channels(found, path, channel_names, notes)
    size = _pixel_size(found, path, pixel_size_um, notes)
    height, width = found.arrays[0].shape[1:]
    if len(found.arrays) == 1 and max(height, width) > _LARGE:
        notes.append(
            f"{path.name} is {width} x {height} px without a pyramid: viewing it will be slow"
        )
    if height < 2 or width < 2:
        raise SlideError(f"{path.name} is {width} x {height} px; give an image of tissue")
    suffix = f"_scene{found.scene}" if found.scene is not None else ""
    return Slide(
        name=found.name or slide_name(path) + suffix,
        arrays=found.arrays,
        channels=channels,
        pixel_size_um=size,
        path=path,
        format=found.format,
        warnings=tuple(notes),
        imaged=found.imaged,
        facts=found.facts,
        exposure_ms=found.exposure_ms if any(found.exposure_ms) else (),
    )


def _check_dtype(found: Found, path: Path) -> None:
    dtype = np.dtype(found.arrays[0].dtype)
    if dtype.kind not in "uif" or (dtype.kind in "ui" and dtype.itemsize == 8):
        raise SlideError(
            f"{path.name} stores pixels as {dtype}, which is no intensity image; "
            "export it as 8-bit, 16-bit or float"
        )
    whole = dtype.kind in "ui" and dtype.itemsize == 4
    if whole and (found.arrays[0].shape[0] == 1 or found.names_needed):
        raise SlideError(
            f"{path.name} looks like a label image ({dtype}); "
            "give the slide here and pass this file with --labels"
        )


def _channels(
    found: Found, path: Path, given: tuple[str, ...] | None, notes: list[str]
) -> tuple[str, ...]:
    count = int(found.arrays[0].shape[0])
    if given is not None:
        names = tuple(" ".join(name.split()) for name in given)
        if len(names) != count:
            raise SlideError(
                f"{path.name} has {count} channels but --channel-names has {len(names)} names; "
                "give one name a channel"
            )
        if "" in names:
            raise SlideError(
                f"{path.name}: a name in --channel-names is empty; give one name a channel"
            )
    else:
        cleaned = [clean_name(name) for name in found.channels]
        cleaned = (cleaned + [None] * count)[:count]
        unnamed = [i for i, name in enumerate(cleaned) if name is None]
        if unnamed and found.names_needed:
            raise ChannelNamesError(
                f"{path.name} ({found.format}) names no channels; "
                f"pass --channel-names with {count} names"
            )
        names = tuple(name or f"channel {i + 1}" for i, name in enumerate(cleaned))
        if unnamed:
            made = ", ".join(names[i] for i in unnamed)
            notes.append(
                f"{path.name} leaves channels without a name: they are called {made}; "
                "--channel-names gives them names"
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ChannelNamesError(
            f"{path.name} names {names.count(twice[0])} channels {twice[0]!r}; "
            "pass --channel-names with a different name for each"
        )
    return names


def clean_name(name: str | None) -> str | None:
    """Return a channel's name without line breaks and the like; None where nothing is left."""
    if name is None:
        return None
    printable = "".join(c if c.isprintable() else " " for c in name)
    return " ".join(printable.split()) or None


def _pixel_size(found: Found, path: Path, given: float | None, notes: list[str]) -> float:
    known = found.pixel_um
    if given is not None:
        if not (math.isfinite(given) and given > 0):
            raise SlideError(
                f"{path.name}: --pixel-size-um is {given:g}; give a positive number of µm"
            )
        if known is not None and any(abs(k - given) > 0.01 * given for k in known):
            notes.append(
                f"{path.name} states a pixel of {_edges(known)} µm; "
                f"{given:g} µm from --pixel-size-um is used instead"
            )
        size = float(given)
    elif known is None:
        raise PixelSizeError(f"{path.name} {found.no_size}; pass --pixel-size-um")
    else:
        if not all(math.isfinite(k) and k > 0 for k in known):
            raise PixelSizeError(
                f"{path.name} states a pixel of {_edges(known)} µm; pass --pixel-size-um"
            )
        if abs(known[0] - known[1]) > 0.01 * max(known):
            raise PixelSizeError(
                f"{path.name} has pixels that are not square ({known[1]:g} x {known[0]:g} µm); "
                "resample it to square pixels, or pass --pixel-size-um if they are square"
            )
        size = float(known[0] + known[1]) / 2
    if not _USUAL_UM[0] <= size <= _USUAL_UM[1]:
        notes.append(
            f"{path.name} has a pixel of {size:g} µm, unusual for cells; "
            "--pixel-size-um overrides it"
        )
    return size


def _edges(known: tuple[float, float]) -> str:
    height, width = known
    return f"{width:g}" if height == width else f"{width:g} x {height:g}"


def level_arrays(levels: Sequence[Any], count: int) -> tuple[Any, ...]:
    """Keep the levels that hold every channel and grow smaller; the rest are no pyramid."""
    kept: list[Any] = []
    for level in levels:
        smaller = not kept or (
            level.shape[1] < kept[-1].shape[1] and level.shape[2] < kept[-1].shape[2]
        )
        if level.shape[0] == count and smaller:
            kept.append(level)
    return tuple(kept)
