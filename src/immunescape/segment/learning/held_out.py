"""Setting annotated nuclei aside, so that a network is judged on what it was not taught."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from immunescape.errors import LabelsError
from immunescape.segment.learning.annotated import NOT_ANNOTATED, AnnotatedField

__all__ = ["HeldOut", "hold_out", "without_cut_nuclei"]

_BY_IMAGE = 5
"""From this many pictures on, whole pictures are held out."""

_GUARD_UM = 10.0
_LEAST_IN_PART = 10
"""Nuclei that a part of a picture must hold on either side to be divided."""


@dataclass(frozen=True)
class HeldOut:
    """What to train on, and what to judge by.

    Parameters
    ----------
    train
        Fields to train on; what must not be seen is marked as not annotated.
    held
        Fields to judge by; likewise.
    by
        ``name`` where a user named pictures, ``picture`` where whole pictures were drawn by lot,
        ``part`` where a strip of each was taken, ``nothing`` where none was wanted.
    """

    train: tuple[AnnotatedField, ...]
    held: tuple[AnnotatedField, ...]
    by: Literal["name", "picture", "part", "nothing"]

    @property
    def sentence(self) -> str:
        """How nuclei were held out, for people."""
        pictures = f"{len(self.held)} of {len({f.name for f in (*self.train, *self.held)})}"
        nuclei = sum(field.nuclei for field in self.held)
        return {
            "name": f"{pictures} pictures, as named ({nuclei} nuclei)",
            "picture": f"{pictures} pictures, drawn by lot ({nuclei} nuclei)",
            "part": (
                f"a strip at one side of {pictures} pictures ({nuclei} nuclei), {_GUARD_UM:g} µm "
                "and every nucleus cut by them left out of both parts"
            ),
            "nothing": "nothing",
        }[self.by]


def hold_out(
    fields: Sequence[AnnotatedField],
    share: float = 0.2,
    seed: int = 0,
    names: Sequence[str] = (),
) -> HeldOut:
    """Divide annotated fields into those to train on and those to judge by.

    Parameters
    ----------
    fields
        At least one; their order does not matter.
    share
        Share that is held out; 0 holds nothing out.
    seed
        Source of the lot.
    names
        Pictures to hold out, by name; ``*`` and ``?`` stand for any letters. They replace the lot,
        so that all pictures of one patient can be kept together.

    Returns
    -------
    HeldOut
        With five fields or more whole pictures, at least one and never all; near-duplicates stay
        together. With fewer, a strip at
        one end of each that holds its share of the nuclei by their middles (at least ten, and ten
        remain; a field with fewer is trained on): all of a nucleus belongs to where its middle
        lies, and to train on, the strip, 10 µm beside it and every nucleus that reaches there are
        not annotated.

    Raises
    ------
    LabelsError
        If a name fits no picture, the names fit all, all pictures are near-duplicates, or fewer
        nuclei are there than can be divided.
    """
    ordered = sorted(fields, key=lambda field: field.name)
    if names:
        return _by_name(ordered, names)
    if not share:
        return HeldOut(tuple(map(without_cut_nuclei, ordered)), (), "nothing")
    rng = np.random.default_rng(seed)
    if len(ordered) >= _BY_IMAGE:
        return _divided(ordered, _by_lot(ordered, share, rng), "picture")
    train, held = [], []
    for field in ordered:
        part = _strip(field, share, rng)
        train.append(field if part is None else part[0])
        held += [] if part is None else [part[1]]
    if not held:
        raise LabelsError(
            f"no picture holds {2 * _LEAST_IN_PART} nuclei, so none can be held out to judge by; "
            "annotate more, or pass --training.validation 0"
        )
    return HeldOut(tuple(map(without_cut_nuclei, train)), tuple(held), "part")


def without_cut_nuclei(field: AnnotatedField) -> AnnotatedField:
    """Mark nuclei that reach what is not annotated as not annotated: their outline is unknown."""
    from scipy import ndimage as ndi

    unknown = field.labels == NOT_ANNOTATED
    if not unknown.any():
        return field
    beside = ndi.binary_dilation(unknown, np.ones((3, 3), dtype=bool)) & (field.labels > 0)
    return _hidden(field, _of(field.labels, np.unique(field.labels[beside])))


def _by_lot(fields: list[AnnotatedField], share: float, rng: np.random.Generator) -> list[bool]:
    """Draw groups of near-duplicates until they make up the share, at most twice as much."""
    from immunescape.segment.learning.data import Field
    from immunescape.segment.learning.splits import near_duplicates

    group = near_duplicates([Field(f.name, f.labels, f.picture) for f in fields])
    numbers, sizes = np.unique(group, return_counts=True)
    if len(numbers) < 2:
        raise LabelsError(
            "all pictures show the same place, so none can be held out to judge by; add others, or "
            "choose with --held-out"
        )
    wanted = max(round(share * len(fields)), 1)
    order = rng.permutation(len(numbers))
    chosen: list[int] = []
    for k in order.tolist():
        held = int(sizes[chosen].sum())
        if held < wanted and held + sizes[k] <= 2 * wanted and len(chosen) < len(numbers) - 1:
            chosen.append(k)
    chosen = chosen or [int(order[np.argmin(sizes[order])])]
    out = set(numbers[chosen].tolist())
    return [number in out for number in group.tolist()]


def _by_name(fields: list[AnnotatedField], names: Sequence[str]) -> HeldOut:
    for name in names:
        if not any(fnmatchcase(field.name, name) for field in fields):
            raise LabelsError(
                f"no picture is named {name}; pass --held-out with names of "
                f"{', '.join(field.name for field in fields)}"
            )
    chosen = [any(fnmatchcase(field.name, name) for name in names) for field in fields]
    if all(chosen):
        raise LabelsError("--held-out names every picture; leave some to train on")
    return _divided(fields, chosen, "name")


def _divided(
    fields: list[AnnotatedField], chosen: list[bool], by: Literal["name", "picture"]
) -> HeldOut:
    pairs = list(zip(fields, chosen, strict=True))
    return HeldOut(
        tuple(without_cut_nuclei(field) for field, held in pairs if not held),
        tuple(field for field, held in pairs if held),
        by,
    )


def _strip(
    field: AnnotatedField, share: float, rng: np.random.Generator
) -> tuple[AnnotatedField, AnnotatedField] | None:
    """Return a field without a strip at one end of it, and that strip alone."""
    from immunescape.segment.score import label_centroids

    labels = field.labels
    rows, columns = np.nonzero(labels != NOT_ANNOTATED)
    across = int(np.ptp(columns) > np.ptp(rows))
    low_end = bool(rng.random() < 0.5)
    nuclei = np.maximum(labels, 0)
    middles = label_centroids(nuclei)[:, 0 if across else 1]
    count = max(round(share * len(middles)), _LEAST_IN_PART)
    if len(middles) - count < _LEAST_IN_PART:
        return None
    order = np.argsort(middles if low_end else -middles, kind="stable")
    edge = float(middles[order[count - 1]] + middles[order[count]]) / 2
    at = np.arange(labels.shape[across]) + 0.5
    guard = _GUARD_UM / field.pixel_um
    strip = (at < edge) if low_end else (at > edge)
    near = (at < edge + guard) if low_end else (at > edge - guard)
    strip, near = (
        np.broadcast_to(v if across else v[:, None], labels.shape) for v in (strip, near)
    )
    own = _of(labels, np.unique(nuclei[nuclei > 0])[order[:count]])
    taught = _hidden(field, near | own)
    judged = _hidden(field, ~own & (~strip | (labels > 0)))
    return taught, judged


def _of(labels: npt.NDArray[np.int32], numbers: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return np.isin(labels, numbers)


def _hidden(field: AnnotatedField, where: npt.NDArray[np.bool_]) -> AnnotatedField:
    labels = np.where(where, np.int32(NOT_ANNOTATED), field.labels).astype(np.int32)
    return replace(field, labels=labels)
