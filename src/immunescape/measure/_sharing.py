"""Compiled loops that decide which parts of a rim are a cell's own, once all blocks are read."""

import numba
import numpy as np

__all__ = ["brightest_of", "list_neighbours", "own_sectors"]

_SECTORS = 9  # eight eighths and the pixel at the very centre
_QUARTER = 0.25
_LEAST = 0.125
_ROUNDS = 3
_TIE = 1e-9

_jit = numba.njit(cache=True, nogil=True)


@_jit
def list_neighbours(cell, start, near, n_cells):  # type: ignore[no-untyped-def]
    """Sort the pieces by cell and list whom each cell has within reach.

    Parameters
    ----------
    cell, start, near
        Cell of each piece, and the cells within its reach: ``near[start[p]:start[p + 1]]``.
    n_cells
        Number of cells.

    Returns
    -------
    order, begin
        Pieces of cell ``k`` are ``order[begin[k]:begin[k + 1]]``.
    side, side_begin, back
        A side is one cell as another meets it: sides ``side_begin[k]`` to ``side_begin[k + 1]``
        are those of cell ``k``; ``side`` gives for each entry of ``near`` the one it belongs to,
        ``back`` for each side the one of the other cell, -1 if that has none.
    """
    begin = np.zeros(n_cells + 1, np.int64)
    for k in cell:
        begin[k + 1] += 1
    begin = np.cumsum(begin)
    order = np.empty(len(cell), np.int64)
    fill = begin[:-1].copy()
    for p in range(len(cell)):
        order[fill[cell[p]]] = p
        fill[cell[p]] += 1
    side_begin = np.zeros(n_cells + 1, np.int64)
    other = np.empty(len(near), np.int64)
    side = np.empty(len(near), np.int64)
    n = 0
    for k in range(n_cells):
        first = n
        for i in range(begin[k], begin[k + 1]):
            for q in range(start[order[i]], start[order[i] + 1]):
                s = first
                while s < n and other[s] != near[q]:
                    s += 1
                if s == n:
                    other[n] = near[q]
                    n += 1
                side[q] = s
        side_begin[k + 1] = n
    back = np.full(n, -1, np.int64)
    for k in range(n_cells):
        for s in range(side_begin[k], side_begin[k + 1]):
            for t in range(side_begin[other[s]], side_begin[other[s] + 1]):
                if other[t] == k:
                    back[s] = t
    return order, begin, side, side_begin, back


@_jit
def _brightest(sums, counts, means):  # type: ignore[no-untyped-def]
    """Return the mean over the brightest quarter of the pixels, taken sector by sector.

    Of the sector with which the quarter is reached so many pixels count as it needs, each with
    the sector's mean. NaN without pixels. ``means`` is overwritten.
    """
    total = 0
    for s in range(_SECTORS):
        total += counts[s]
        means[s] = sums[s] / counts[s] if counts[s] > 0 else -np.inf
    if total == 0:
        return np.nan
    wanted = _QUARTER * total
    left = wanted
    light = 0.0
    for _ in range(_SECTORS):
        best = 0
        for s in range(1, _SECTORS):
            if means[s] > means[best]:
                best = s
        if counts[best] >= left:
            return (light + means[best] * left) / wanted
        light += sums[best]
        left -= counts[best]
        means[best] = -np.inf
    return np.nan


@_jit
def brightest_of(sums, counts):  # type: ignore[no-untyped-def]
    """Return for each row of sectors the mean over its brightest quarter, ``(n,)``."""
    result = np.empty(len(sums))
    means = np.empty(_SECTORS)
    for k in range(len(sums)):
        result[k] = _brightest(sums[k], counts[k], means)
    return result


@_jit
def _levels(order, begin, start, side, side_begin, sector, count, light, brighter):  # type: ignore[no-untyped-def]
    """Return for each side the level of its cell, judged from the rim away from that neighbour.

    That is the brightest quarter of what it shares neither with this neighbour nor with one
    that is brighter; of what it does not share with this one where the former is less than an
    eighth of its rim; of the whole rim where nothing else is left.
    """
    level = np.full(len(brighter), np.nan)
    most = 0
    for k in range(len(begin) - 1):
        most = max(most, side_begin[k + 1] - side_begin[k])
    # Sums over the rim, unlit (0) and all of it (1), and over what each side meets of both.
    rim = np.empty((2, _SECTORS))
    rim_px = np.empty((2, _SECTORS), np.int64)
    met = np.empty((most, 2, _SECTORS))
    met_px = np.empty((most, 2, _SECTORS), np.int64)
    apart, means = np.empty(_SECTORS), np.empty(_SECTORS)
    apart_px = np.empty(_SECTORS, np.int64)
    for k in range(len(begin) - 1):
        first, end = side_begin[k], side_begin[k + 1]
        if first == end:
            continue
        rim[:] = 0
        rim_px[:] = 0
        met[: end - first] = 0
        met_px[: end - first] = 0
        for i in range(begin[k], begin[k + 1]):
            p = order[i]
            lit = False
            for q in range(start[p], start[p + 1]):
                lit |= brighter[side[q]]
            for part in range(1 if lit else 0, 2):
                rim[part, sector[p]] += light[p]
                rim_px[part, sector[p]] += count[p]
                for q in range(start[p], start[p + 1]):
                    met[side[q] - first, part, sector[p]] += light[p]
                    met_px[side[q] - first, part, sector[p]] += count[p]
        whole = rim_px[1].sum()
        for s in range(end - first):
            level[first + s] = np.nan
            for part in range(2):
                n = 0
                for e in range(_SECTORS):
                    apart[e] = rim[part, e] - met[s, part, e]
                    apart_px[e] = rim_px[part, e] - met_px[s, part, e]
                    n += apart_px[e]
                if n >= max(_LEAST * whole, 1) or (part == 1 and n > 0):
                    level[first + s] = _brightest(apart, apart_px, means)
                    break
            if np.isnan(level[first + s]):
                level[first + s] = _brightest(rim[1], rim_px[1], means)
    return level


@_jit
def own_sectors(order, begin, start, side, side_begin, back, sector, count, light):  # type: ignore[no-untyped-def]
    """Add up the sectors of each cell's rim, without what it shares with a brighter neighbour.

    Parameters
    ----------
    order, begin, start, side, side_begin, back
        Who meets whom, as :func:`list_neighbours` found it.
    sector, count, light
        Of each piece its sector, how many pixels have a value, and the sum of these.

    Returns
    -------
    sums, counts
        ``(n, 9)``: light and pixels of each sector.
    share
        ``(n,)``: pixels not shared with a brighter neighbour, as a share of the rim; where it
        is less than an eighth, parts beside the least bright of these neighbours were added
        until it was one. NaN without a rim.
    """
    brighter = np.zeros(len(back), np.bool_)
    level = np.empty(len(back))
    for _ in range(_ROUNDS):
        level = _levels(order, begin, start, side, side_begin, sector, count, light, brighter)
        for s in range(len(back)):
            if back[s] >= 0:
                there, here = level[back[s]], level[s]
                brighter[s] = there - here > _TIE * max(abs(there), abs(here))
    n = len(begin) - 1
    sums = np.zeros((n, _SECTORS))
    counts = np.zeros((n, _SECTORS), np.int64)
    share = np.full(n, np.nan)
    for k in range(n):
        rim = 0
        own = 0
        for i in range(begin[k], begin[k + 1]):
            p = order[i]
            rim += count[p]
            if _glare(p, start, side, back, brighter, level) == -np.inf:
                sums[k, sector[p]] += light[p]
                counts[k, sector[p]] += count[p]
                own += count[p]
        if rim == 0:
            continue
        share[k] = own / rim
        least = -np.inf
        while own < _LEAST * rim:
            above = np.inf
            for i in range(begin[k], begin[k + 1]):
                glare = _glare(order[i], start, side, back, brighter, level)
                if glare > least:
                    above = min(above, glare)
            for i in range(begin[k], begin[k + 1]):
                p = order[i]
                if _glare(p, start, side, back, brighter, level) == above:
                    sums[k, sector[p]] += light[p]
                    counts[k, sector[p]] += count[p]
                    own += count[p]
            least = above
    return sums, counts, share


@_jit
def _glare(p, start, side, back, brighter, level):  # type: ignore[no-untyped-def]
    """Return the level of the brightest of the brighter cells within reach of a piece."""
    glare = -np.inf
    for q in range(start[p], start[p + 1]):
        if brighter[side[q]]:
            glare = max(glare, level[back[side[q]]])
    return glare
