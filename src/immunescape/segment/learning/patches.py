"""Patches to train on: cut from pictures, or rendered onto drawn nuclei, with their targets."""

from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.segment.flows import label_flows
from immunescape.segment.learning.crowding import crowd
from immunescape.segment.learning.data import SIMULATED, TISSUE, Field
from immunescape.segment.learning.depth import at_depths
from immunescape.segment.learning.render import distort, levelled, render_stain, warp

__all__ = ["Patches"]

_MARGIN = 24
_RENDERED = 3
_NEAR_NUCLEUS = 0.7
_LAYERS = 3

_SPARSE = 0.03
_AGAIN = 0.75
"""Chance that a patch with less than that share of nuclei is drawn a second time."""

_GAP_PX = 5
"""Two nuclei within a square so wide have a border between them."""
_GAP_WEIGHT = 4
"""How many pixels elsewhere a pixel of such a border counts for: it decides on merges."""


class Patches:
    """Endless patches with their targets, equal for equal seeds.

    Parameters
    ----------
    real, drawn
        Fields with pictures (already ``scaled``), and fields to render onto.
    size
        Edge of a patch in pixels.
    rendered, simulated, tissue
        Shares of patches that are rendered, and that are cut from fields whose kind is
        ``SIMULATED`` or ``TISSUE``; what is missing is made up for by the others.
    crowded
        Share of the patches cut from pictures among whose nuclei those of others are laid.
    deep
        Share of all patches whose nuclei are dimmed and blurred one by one.
    """

    def __init__(
        self,
        real: list[Field],
        drawn: list[Field],
        size: int = 224,
        rendered: float = 0.5,
        simulated: float = 0.15,
        tissue: float = 0.0,
        crowded: float = 0.0,
        deep: float = 0.0,
    ) -> None:
        self.drawn, self.size, self.crowded, self.deep = drawn, size, crowded, deep
        self.made = [field for field in real if field.kind == SIMULATED]
        self.tissue = [field for field in real if field.kind == TISSUE]
        self.real = [field for field in real if field.kind not in (SIMULATED, TISSUE)]
        there = [bool(fields) for fields in (self.real, self.made, self.tissue, drawn)]
        share = np.array([1.0 - rendered - simulated - tissue, simulated, tissue, rendered])
        share = np.maximum(share, 0.0) * there
        if not share.any():
            share = np.array(there, dtype=float)
        share = share / max(float(share.sum()), 1.0e-9)
        self.shares: tuple[float, ...] = tuple(float(part) for part in share)
        self._turn = _turns(self.real)

    def __bool__(self) -> bool:
        return bool(self.real or self.made or self.tissue or self.drawn)

    def patch(self, seed: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return image ``(1, s, s)`` and targets ``(4, s, s)``: flow y, flow x, inside, weight.

        Flows are 0 outside nuclei. The weight is 4 on and beside a border
        between two nuclei, 1 elsewhere. What was not annotated is 0 in all targets.
        """
        rng = np.random.default_rng(seed)
        image, labels = self._drawn(rng)
        if np.mean(labels != 0) < _SPARSE and rng.random() < _AGAIN:
            image, labels = self._drawn(rng)
        cut = slice(_MARGIN, -_MARGIN)
        known = labels >= 0
        labels = np.where(known, labels, 0)
        targets = np.concatenate(
            [label_flows(labels), (labels > 0)[None], (known * _weights(labels))[None]],
            dtype=np.float32,
        )[:, cut, cut]
        return np.ascontiguousarray(image[None, cut, cut]), np.ascontiguousarray(targets)

    def _drawn(self, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return a distorted picture and its labels, with a margin for what warping leaves."""
        size = self.size + 2 * _MARGIN
        source = int(rng.choice(4, p=self.shares))
        if source == _RENDERED:
            image, labels = self._rendered(rng, size)
            return self._seen(levelled(image, rng), labels, rng), labels
        fields = (self.real, self.made, self.tissue)[source]
        image, labels = self._pictured(rng, size, fields)
        if fields is not self.tissue and rng.random() < self.crowded:
            for _ in range(int(rng.integers(1, _LAYERS + 1))):
                more, others = self._pictured(rng, size, fields)
                image, labels = crowd(image, labels, more, others, rng)
        return self._seen(image, labels, rng), labels

    def _seen(self, image: Any, labels: Any, rng: np.random.Generator) -> Any:
        if self.deep and rng.random() < self.deep:
            image = at_depths(image, labels, rng)
        return distort(image, rng)

    def _pictured(self, rng: np.random.Generator, size: int, fields: list[Field]) -> Any:
        """Cut a patch from one picture, or join several where they are smaller than a patch."""
        field = self._choose(rng, fields)
        if min(field.labels.shape) >= 0.75 * size:
            return _cut(rng, field, size, rng.uniform(0.15 * size, 0.85 * size, 2))
        y, x = rng.integers(size // 3, size - size // 3, 2)
        image = np.zeros((size, size), dtype=np.float32)
        labels = np.zeros((size, size), dtype=np.int32)
        for rows in (slice(0, y), slice(y, size)):
            for columns in (slice(0, x), slice(x, size)):
                middle = [(part.start + part.stop) / 2 for part in (rows, columns)]
                part, more = _cut(rng, field, size, middle + rng.uniform(-20.0, 20.0, 2))
                image[rows, columns] = part[rows, columns]
                above = int(labels.max(initial=0))
                more = more[rows, columns]
                labels[rows, columns] = np.where(more > 0, more + above, more)
                field = self._choose(rng, fields)
        return image, labels

    def _choose(self, rng: np.random.Generator, fields: list[Field]) -> Field:
        turn = self._turn if fields is self.real else None
        return fields[int(rng.choice(len(fields), p=turn))]

    def _rendered(self, rng: np.random.Generator, size: int) -> tuple[Any, Any]:
        field = self.drawn[int(rng.integers(len(self.drawn)))]
        matrix = _matrix(rng, 0.75, 2.0)
        where = _somewhere(rng, field.labels.shape, size)
        labels = _smooth(warp(field.labels, matrix, where, size, 0), rng)
        thin = rng.random()
        if thin < 0.35:
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
        hollow = rng.uniform(0.1, 0.6) if rng.random() < 0.25 else 0.0
        clumped = rng.uniform(0.1, 0.4) if rng.random() < 0.3 else 0.0
        image = render_stain(
            labels, rng, ghosts=ghosts, membranes=membranes, hollow=hollow, clumped=clumped
        )
        return image, labels


def _weights(labels: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Return what each pixel counts for: 4 where two nuclei lie within its 5 x 5 pixels, else 1."""
    from scipy import ndimage as ndi

    none = np.iinfo(np.int32).max
    highest = ndi.maximum_filter(labels, _GAP_PX, mode="nearest")
    lowest = ndi.minimum_filter(np.where(labels > 0, labels, none), _GAP_PX, mode="nearest")
    return np.where((lowest < highest) & (lowest != none), _GAP_WEIGHT, 1).astype(np.int32)


def _turns(fields: list[Field]) -> npt.NDArray[np.float64] | None:
    """How often each field is shown: a kind by the root of its number of fields."""
    if not fields:
        return None
    _, which, count = np.unique(
        [field.kind for field in fields], return_inverse=True, return_counts=True
    )
    turn = 1.0 / np.sqrt(count[which])
    return np.asarray(turn / turn.sum(), dtype=np.float64)


def _cut(
    rng: np.random.Generator, field: Field, size: int, at: npt.NDArray[np.float64]
) -> tuple[Any, Any]:
    """Cut a patch out of a picture, with levels near those that the whole picture would have.

    Most patches show a nucleus of the picture at the place asked for.
    """
    assert field.image is not None
    matrix = _matrix(rng, 0.55, 1.7)
    spots = np.flatnonzero(field.labels.ravel() > 0)
    if rng.random() < _NEAR_NUCLEUS and len(spots):
        spot = int(spots[rng.integers(len(spots))])
        seen = np.array(divmod(spot, field.labels.shape[1]), dtype=float)
    else:
        seen = rng.uniform(0.0, 1.0, 2) * field.labels.shape
    where = seen + matrix @ ((size - 1) / 2 - np.asarray(at))
    image = field.image if field.levelled else levelled(field.image, rng)
    return warp(image, matrix, where, size, 1), warp(field.labels, matrix, where, size, 0)


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
