"""The page on which a person judges how well the nuclei of a slide were found."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from immunescape.quality import MISSED, OUTLINE, UNUSUAL, SegmentationQuality, Thumbnail
from immunescape.report._drawings import colour, histogram, slide_map, tile_picture
from immunescape.report._style import STYLE
from immunescape.report.text import NOT_FOR_DIAGNOSIS

__all__ = ["segmentation_page"]


def segmentation_page(
    name: str,
    quality: SegmentationQuality,
    flagged: Sequence[Thumbnail] = (),
    others: Sequence[Thumbnail] = (),
    *,
    model: str = "",
    crossing: int | None = None,
    suspects: int | None = None,
) -> str:
    """Return one self-contained page: figures, a map of the slide and pictures of tiles.

    Parameters
    ----------
    name
        Name of the slide.
    quality
        What was judged.
    flagged
        Pictures of the tiles that look unlike the rest, in the order to show them.
    others
        Pictures of some of the rest, to compare with.
    model
        Name of the network that found them; empty where the labels were given with the slide.
    crossing, suspects
        How often a nucleus was seen by two tiles of the network, and on how many of these the
        tiles did not agree; None where no two tiles were compared.

    Returns
    -------
    str
        HTML without scripts and without anything to load; what is not judged is said.
    """
    parts = [
        _heading(name, quality, model),
        _cards(quality),
        _told(quality),
        _overview(quality, flagged),
        _pictures(quality, flagged, others),
        _figures(quality, crossing, suspects),
        _list_of_tiles(quality, len(flagged)),
        f"<footer>{escape(NOT_FOR_DIAGNOSIS)} Every tile stands in <code>segmentation.csv</code>; "
        "the limits in <code>study.toml</code> under <code>segmentation_quality</code>.</footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Segmentation of {escape(name)}</title>\n<style>{STYLE}</style>\n</head>\n"
        "<body>\n" + "\n".join(filter(None, parts)) + "\n</body>\n</html>\n"
    )


def _heading(name: str, quality: SegmentationQuality, model: str) -> str:
    flagged, judged = (int(quality.figures[k]) for k in ("tiles_flagged", "tiles_judged"))
    if not judged:
        verdict = "No tile of this slide holds enough tissue to be judged."
    elif not flagged:
        verdict = f"None of {_many(judged, 'tile')} with tissue stands out."
    else:
        verdict = f"{flagged} of {_many(judged, 'tile')} with tissue stand out: look there first."
    edge = quality.params.tile_um
    height, width = quality.surface.shape
    origin = f"Found by {model}" if model else "Labels were given with the slide"
    size = f"{width} x {height} pixels of {quality.surface.pixel_um:g} µm"
    return (
        f"<header><h1>How well were the {quality.objects} of {escape(name)} found?</h1>\n"
        f"<p><strong>{verdict}</strong> A tile that stands out need not be wrong: a follicle, a "
        f"scar or necrosis stand out too. Tiles are about {edge:g} µm wide. {escape(origin)}: "
        f"{size}."
        "</p></header>"
    )


def _cards(quality: SegmentationQuality) -> str:
    figures, limit = quality.figures, quality.params.warn_share
    one = _one(quality)
    cards = [
        (_number(figures["cells_per_mm2"]), "cells per mm² of tissue", False),
        (
            _number(figures["diameter_p50_um"], " µm", 1),
            f"median diameter of the {quality.objects}",
            False,
        ),
        (
            _percent(figures["missed_stain_share"]),
            f"of the nuclear stain has no {one}",
            figures["missed_stain_share"] > limit,
        ),
        (
            _percent(figures["empty_share"]),
            f"of the tissue is farther than {quality.params.empty_um:g} µm from any {one}",
            False,
        ),
        (
            f"{figures['tiles_flagged']:.0f}",
            f"of {figures['tiles_judged']:.0f} tiles stand out",
            figures["flagged_share"] > limit,
        ),
    ]
    items = (
        f'<li class="high"><b>{value}</b>{text}</li>' if high else f"<li><b>{value}</b>{text}</li>"
        for value, text, high in cards
    )
    return f'<ul class="cards">{"".join(items)}</ul>'


def _told(quality: SegmentationQuality) -> str:
    texts = [*quality.warnings, *quality.notes]
    if not texts:
        return ""
    items = "".join(
        f"<li>{escape(t.removesuffix('; look at segmentation.html'))}</li>" for t in texts
    )
    return f'<div class="told" role="note"><ul>{items}</ul></div>'


def _overview(quality: SegmentationQuality, flagged: Sequence[Thumbnail]) -> str:
    drawn = slide_map(quality, [t.tile for t in flagged])
    sizes = histogram(quality)
    squares = " Squares are the tiles that stand out, numbered as below." if flagged else ""
    beyond = "Classes beyond the limits for small and large are orange."
    beyond = beyond if quality.objects == "nuclei" else "The limits of size are for nuclei."
    return (
        '<div class="two"><section><h2>Where</h2><figure>'
        f"{drawn}<figcaption>Nuclear stain of the slide, dimmed outside the tissue."
        f"{squares}</figcaption></figure></section>\n"
        f"<section><h2>Sizes of the {quality.objects}</h2><figure>{sizes}<figcaption>"
        f"Area on a logarithmic scale, of {quality.counts.sum()} {quality.objects} that the frame "
        f"does not cut. {beyond}</figcaption>"
        "</figure></section></div>"
    )


def _pictures(
    quality: SegmentationQuality, flagged: Sequence[Thumbnail], others: Sequence[Thumbnail]
) -> str:
    if not flagged and not others:
        return ""
    one = _one(quality)
    key = "".join(
        f'<span style="--c:{colour(c)}"></span>{text}'
        for c, text in (
            (OUTLINE, one),
            (UNUSUAL, f"{one} that is small, large or hardly stained"),
            (MISSED, f"stain without a {one}"),
        )
    )
    outlines = f'<p class="key">Outlines: {key}</p>'
    parts = []
    if flagged:
        parts.append(
            '<h2>Tiles that stand out</h2><p class="soft">The worst of each kind first.</p>'
            f'{outlines}<div class="tiles">{_each(quality, flagged)}</div>'
        )
    if others:
        heading = "For comparison: tiles that do not, chosen at random"
        heading = heading if flagged else "Tiles chosen at random"
        parts.append(
            f"<h2>{heading}</h2>"
            f'{"" if flagged else outlines}<div class="tiles">{_each(quality, others)}</div>'
        )
    return "\n".join(parts)


def _each(quality: SegmentationQuality, pictures: Iterable[Thumbnail]) -> str:
    table = {int(row["tile"]): row for row in quality.tiles.to_dict("records")}
    made = []
    for picture in pictures:
        row = table[picture.tile]
        reasons = "".join(
            f"<b>{escape(text)}</b>" for text in str(row["reason"]).split("; ") if text
        )
        made.append(
            f'<figure id="tile-{picture.tile}">{tile_picture(picture, row)}<figcaption>{reasons}'
            f'<span class="where">Tile {picture.tile}, at {row["x_um"]:.0f} µm from the left and '
            f"{row['y_um']:.0f} µm from the top. {_facts(quality, row)}</span>"
            "</figcaption></figure>"
        )
    return "".join(made)


def _facts(quality: SegmentationQuality, row: Mapping[Any, Any]) -> str:
    facts = [
        f"{row['cells']:.0f} {'cells' if row['cells'] != 1 else 'cell'}",
        f"{_number(row['density_per_mm2'])} per mm²",
        f"median {_number(row['median_area_um2'])} µm²",
        f"stain without {_one(quality)} {_percent(row['missed_stain_share'])}",
    ]
    return ", ".join(facts) + "."


def _figures(quality: SegmentationQuality, crossing: int | None, suspects: int | None) -> str:
    figures, params = quality.figures, quality.params
    objects, one = quality.objects, _one(quality)
    areas = [_number(figures[f"area_p{p}_um2"]) for p in (5, 25, 50, 75, 95)]
    widths = [_number(figures[f"diameter_p{p}_um"], "", 1) for p in (5, 25, 50, 75, 95)]
    rows = [
        ("Cells in the tissue", f"{figures['cells']:.0f}", "by the middle of each"),
        ("Tissue", f"{figures['tissue_mm2']:.3f} mm²", ""),
        ("Cells per mm² of tissue", _number(figures["cells_per_mm2"]), ""),
        (
            f"Area of the {objects}",
            f"{' · '.join(areas)} µm²",
            "5th, 25th, 50th, 75th, 95th percentile",
        ),
        ("Diameter of a circle of that area", f"{' · '.join(widths)} µm", "the same percentiles"),
        (
            f"Small {objects}",
            _percent(figures["small_share"]),
            f"below {params.small_um2:g} µm², half the nucleus of a resting lymphocyte "
            "(about 7 µm across)",
        ),
        (
            f"Large {objects}",
            _percent(figures["large_share"]),
            f"above {params.large_um2:g} µm², a circle of "
            f"{2 * (params.large_um2 / 3.14159) ** 0.5:.0f} µm",
        ),
        (
            "Ragged cells",
            _percent(figures["ragged_share"]),
            f"fill less than {params.ragged_solidity:.0%} of their convex hull; median "
            f"{_number(figures['median_cell_solidity'], '', 2)}",
        ),
        *_borders(crossing, suspects),
        ("Cells that the frame cuts", f"{figures['touching_frame']:.0f}", "left out of sizes"),
        (f"Tissue covered by {objects}", _percent(figures["covered_share"]), ""),
        (
            "Tissue without cells",
            _percent(figures["empty_share"]),
            f"farther than {params.empty_um:g} µm from any {one}: stroma and necrosis, or missed",
        ),
        (
            "Tissue with nuclear stain",
            _percent(figures["stained_share"]),
            "above Otsu's threshold of the tissue, in squares of about 1 µm",
        ),
        (
            f"Stain without a {one}",
            _percent(figures["missed_stain_share"]),
            f"at least 3 µm wide and more than {params.halo_um:g} µm from any {one}: missed, or "
            "debris",
        ),
        (
            f"{objects.capitalize()} without stain",
            _percent(figures["unstained_share"]),
            "mean below the middle between dark tissue and that threshold",
        ),
    ]
    body = "".join(
        f'<tr><th scope="row">{a}</th><td class="n">{b}</td><td class="soft">{c}</td></tr>'
        for a, b, c in rows
    )
    return f"<h2>All figures</h2><table><tbody>{body}</tbody></table>"


def _borders(crossing: int | None, suspects: int | None) -> list[tuple[str, str, str]]:
    if crossing is None or suspects is None:  # not known, which is not none
        return []
    doubt = f"seen whole by both; on {suspects} of them the two do not agree"
    return [("Nuclei across the borders of tiles", f"{crossing}", doubt if crossing else "")]


def _list_of_tiles(quality: SegmentationQuality, shown: int) -> str:
    flagged = quality.tiles[quality.tiles["flagged"].astype(bool)]
    left = len(flagged) - shown
    if left <= 0:
        return ""
    return (
        f"<p>{_many(left, 'more tile')} stand out and {'is' if left == 1 else 'are'} not shown "
        "here; the map has them all.</p>"
    )


def _one(quality: SegmentationQuality) -> str:
    return "nucleus" if quality.objects == "nuclei" else "cell"


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _number(value: object, unit: str = "", digits: int = 0) -> str:
    number = float(value)  # type: ignore[arg-type]
    return (
        "–"
        if number != number
        else f"{number:,.{digits}f}{unit}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    )


def _percent(value: object) -> str:
    share = float(value)  # type: ignore[arg-type]
    if share != share:
        return "not judged"
    if 0 < share < 0.0005:
        return "&lt; 0.1%"
    return f"{share:.1%}" if 0 < share < 0.0995 else f"{share:.0%}"
