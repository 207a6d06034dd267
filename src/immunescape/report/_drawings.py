"""Drawings for a page: pictures of tiles, the map of a slide, a histogram; all inline."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.quality import UNUSUAL, SegmentationQuality, Thumbnail

__all__ = ["colour", "data_uri", "histogram", "slide_map", "tile_picture"]

_FLAG = "#e66100"
_QUALITY = 88
_WIDTH, _HEIGHT = 480, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 26, 44
_TICKS = (5, 10, 20, 50, 100, 200, 500)


def colour(rgb: tuple[int, int, int]) -> str:
    """Return a colour as HTML writes it.

    Examples
    --------
    >>> colour((240, 228, 66))
    '#f0e442'
    """
    return "#" + "".join(f"{value:02x}" for value in rgb)


def data_uri(pixels: npt.NDArray[np.uint8]) -> str:
    """Return a picture, ``(y, x)`` or ``(y, x, 3)``, as a JPEG within a page."""
    import imagecodecs

    encoded = imagecodecs.jpeg8_encode(
        np.ascontiguousarray(pixels), level=_QUALITY, subsampling="444"
    )
    return f"data:image/jpeg;base64,{b64encode(encoded).decode('ascii')}"


def tile_picture(picture: Thumbnail, row: Mapping[Any, Any]) -> str:
    """Return the picture of a tile with its frame dashed and a scale bar."""
    height, width = picture.pixels.shape[:2]
    per_um = 1 / picture.pixel_um
    x, y = ((float(row[f"{a}_um"]) - getattr(picture, f"{a}_um")) * per_um for a in "xy")
    w, h = (float(row[f"{a}_um"]) * per_um for a in ("width", "height"))
    bar = _bar_um(width * picture.pixel_um)
    long, text = bar * per_um, width / 22
    label = f"Tile {picture.tile}: nuclear stain with outlines; the bar is {bar:g} µm long"
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
        f'<image href="{data_uri(picture.pixels)}" width="{width}" height="{height}"/>'
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="none" '
        f'stroke="#fff" stroke-opacity=".8" stroke-width="{width / 300:.2f}" '
        f'stroke-dasharray="{width / 60:.1f}"/>'
        f'<rect x="{width * 0.96 - long - text * 0.5:.1f}" y="{height - 2.6 * text:.1f}" '
        f'width="{long + text:.1f}" height="{2.3 * text:.1f}" rx="3" fill="#000" '
        f'fill-opacity=".6"/><rect x="{width * 0.96 - long:.1f}" y="{height - 0.9 * text:.1f}" '
        f'width="{long:.1f}" height="{text / 4:.1f}" fill="#fff"/>'
        f'<text x="{width * 0.96 - long / 2:.1f}" y="{height - 1.2 * text:.1f}" fill="#fff" '
        f'font-size="{text:.1f}" text-anchor="middle">{bar:g} µm</text></svg>'
    )


def _bar_um(width_um: float) -> float:
    """Return the round length that is nearest below a quarter of a width."""
    return max((b for b in (5, 10, 20, 50, 100, 200, 500) if b <= width_um / 4), default=2)


def slide_map(quality: SegmentationQuality, shown: Sequence[int]) -> str:
    """Return the slide in small with the tiles that stand out; those shown are numbered links."""
    view = quality.overview
    height, width = view.stain.shape
    grey = np.nan_to_num(view.stain)
    known = grey[view.tissue] if view.tissue.any() else grey.ravel()
    low, high = np.percentile(known, (0.5, 99.5))
    scaled = np.clip((grey - min(low, 0)) / max(high - min(low, 0), 1e-9), 0, 1) ** 0.7
    if not np.isfinite(view.stain).any():
        scaled = np.full(grey.shape, 0.6)
    pixels = (255 * np.where(view.tissue, 0.12 + 0.88 * scaled, 0.35 * scaled)).astype(np.uint8)
    flagged = quality.tiles[quality.tiles["flagged"].astype(bool)]
    thin = max(width, height) / 250
    size = max(width, height) / 28
    marks = []
    for row in flagged.to_dict("records"):
        tile = int(row["tile"])
        x, y, w, h = (float(row[f"{a}_um"]) / view.pixel_um for a in ("x", "y", "width", "height"))
        mark = (
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="{_FLAG}" '
            f'fill-opacity=".22" stroke="{_FLAG}" stroke-width="{thin:.2f}"/>'
        )
        if tile in shown:
            mark = (
                f'<a href="#tile-{tile}"><title>Tile {tile}</title>{mark}'
                f'<text x="{x + w / 2:.1f}" y="{y + h / 2 + size / 3:.1f}" fill="#fff" '
                f'stroke="#000" stroke-width="{size / 5:.2f}" paint-order="stroke" '
                f'font-size="{min(size, 0.6 * h):.1f}" text-anchor="middle">{tile}</text></a>'
            )
        marks.append(mark)
    across_mm = width * view.pixel_um / 1000
    label = f"Map of the slide, {across_mm:.2f} mm wide; {len(flagged)} tiles stand out"
    return (
        f'<svg viewBox="0 0 {width} {height}" role="group" aria-label="{label}">'
        f'<image href="{data_uri(pixels)}" width="{width}" height="{height}"/>'
        f"{''.join(marks)}</svg>"
    )


def histogram(quality: SegmentationQuality) -> str:
    """Return the areas of the nuclei as bars on a logarithmic axis."""
    edges, counts, params = quality.edges_um2, quality.counts, quality.params
    across, down = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    first, last = np.log(edges[0]), np.log(edges[-1])

    def x(area: float) -> float:
        return float(_LEFT + across * (np.log(area) - first) / (last - first))

    whole = quality.objects == "cells"
    most = max(int(counts.max()), 1)
    parts = []
    for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True):
        odd = not params.small_um2 <= (a + b) / 2 <= params.large_um2 and not whole
        h = down * n / most
        parts.append(
            f'<rect x="{x(a) + 0.5:.1f}" y="{_TOP + down - h:.1f}" width="{x(b) - x(a) - 1:.1f}" '
            f'height="{h:.1f}" fill="{colour(UNUSUAL) if odd else "#56738f"}"/>'
        )
    base = _TOP + down
    parts.append(f'<path d="M{_LEFT} {base}H{_WIDTH - _RIGHT}" stroke="#1d2530"/>')
    for tick in _TICKS:
        parts.append(
            f'<path d="M{x(tick):.1f} {base}v5" stroke="#1d2530"/>'
            f'<text x="{x(tick):.1f}" y="{base + 18}" text-anchor="middle">{tick}</text>'
        )
    parts.append(
        f'<text x="{_LEFT + across / 2}" y="{_HEIGHT - 6}" text-anchor="middle">area, µm²</text>'
        f'<text x="{_LEFT - 6}" y="{_TOP + 4}" text-anchor="end">{most}</text>'
        f'<text x="{_LEFT - 6}" y="{base}" text-anchor="end">0</text>'
    )
    median = quality.figures["area_p50_um2"]
    if edges[0] < median < edges[-1]:
        at = f"{x(median):.1f}"
        parts.append(
            f'<path d="M{at} {_TOP - 6}V{base}" stroke="#1d2530" stroke-dasharray="4 3"/>'
            f'<text x="{at}" y="{_TOP - 10}" text-anchor="middle">median {median:.0f}</text>'
        )
    label = f"Histogram of the areas of {counts.sum()} {quality.objects}"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}" font-size="13" '
        f'font-family="system-ui, sans-serif" fill="#1d2530">{"".join(parts)}</svg>'
    )
