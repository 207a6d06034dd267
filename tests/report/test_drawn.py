"""Figures as inline SVG: places, colours, pictures and ids; gates and other ways to judge."""

import re
from base64 import b64decode
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import imagecodecs
import numpy as np
import pandas as pd
import pytest

from immunescape.cells import CellTable
from immunescape.report.html.drawn import SCREEN, Mark, drawing, inline_svg, marks_of
from immunescape.report.html.page import Card, Check, Column, Table, page
from immunescape.report.plots_pictures import draw_picture, picture_figure
from immunescape.report.plots_slide import draw_gate, draw_ways, gate_values, headline_ways
from immunescape.report.plots_style import PAPER, dress_axes, new_figure


def chart(key="one", **words):
    """A figure of 4 x 2 inches whose axes fill it from 0 to 10 and from 0 to 5."""
    with drawing():
        figure, axes = new_figure(SCREEN, width_in=4, height_in=2)
        figure.set_layout_engine("none")
        axes.set_position((0, 0, 1, 1))
        axes.set(xlim=(0, 10), ylim=(0, 5))
        axes.plot([0, 10], [0, 5], color=SCREEN.ink)
        axes.set_title("$\\frac{1}{0}$ <b>")
        dress_axes(axes, SCREEN)
        marks = [Mark(axes, (2, 4, 0, np.inf), "a <b>: 3")]
        return str(inline_svg(figure, key, title="T & <T>", marks=marks, **words))


def test_a_mark_lies_where_its_values_do():
    root = ET.fromstring(chart())
    assert root.attrib["viewBox"] == "0 0 288 144"  # 72 units an inch
    (mark,) = (e for e in root.iter() if e.attrib.get("class") == "mark")
    place = [float(mark.attrib[name]) for name in ("x", "y", "width", "height")]
    assert place == pytest.approx([57.6, 0.0, 57.6, 144.0], abs=0.02)
    assert mark.attrib["data-tip"] == "a <b>: 3"
    assert [e.text for e in mark] == ["a <b>: 3"]


def test_text_stays_text_and_colours_are_those_of_the_page():
    text = chart(description="how")
    root = ET.fromstring(text)
    words = [e.text for e in root.iter() if e.tag.endswith("text")]
    assert "$\\frac{1}{0}$ <b>" in words  # no formula
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == "one-title one-desc"
    assert "var(--ink)" in text and "var(--font)" in text
    assert SCREEN.ink not in text and "DejaVu" not in text
    assert not re.search("<script|<style|<metadata|on[a-z]+=|xlink", text)


def test_two_drawings_share_no_id_and_one_is_always_the_same():
    one, two = chart("one"), chart("two")
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in (one, two)]
    assert len(ids[0]) > 1 and ids[0].isdisjoint(ids[1])
    for text, own in zip((one, two), ids, strict=True):
        used = re.findall(r"url\(#([^)]+)\)", text) + re.findall(r'href="#([^"]+)"', text)
        assert used and set(used) <= own
    assert chart("one") == one


@pytest.mark.parametrize("few", [True, False])
def test_a_picture_is_put_in_whole(few):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:60, :80]
    pixels = np.stack([3 * x, 4 * y, 2 * (x + y)], axis=2).astype(np.uint8)
    if few:
        pixels = rng.choice(np.array([[0, 0, 0], [240, 228, 66]], np.uint8), (60, 80))
    with drawing():
        figure, axes = picture_figure((0, 80, 0, 60), width_in=4)
        draw_picture(axes, pixels, (0, 80, 0, 60))
        text = str(inline_svg(figure, "p", title="p"))
    (image,) = (e for e in ET.fromstring(text).iter() if e.tag.endswith("image"))
    kind, _, data = image.attrib["href"].partition(";base64,")
    if few:
        assert kind == "data:image/png"
        assert np.array_equal(imagecodecs.png_decode(b64decode(data)), pixels)
    else:
        assert kind == "data:image/jpeg"
        seen = imagecodecs.jpeg8_decode(b64decode(data)).astype(int)
        assert np.abs(seen - pixels).mean() < 2
    assert np.array_equal(axes.images[0].get_array(), pixels)  # the figure is as it was


def test_a_picture_in_a_frame_of_another_shape_keeps_its_own():
    _, axes = picture_figure((100, 500, 0, 100), width_in=4, aspect=1.0)
    assert axes.get_xlim() == (100, 500)
    assert axes.get_ylim() == (250, -150)  # 400 µm down, with 50 in the middle
    _, axes = picture_figure((0, 100, 0, 400), width_in=4, aspect=1.0)
    assert axes.get_xlim() == (-150, 250)


def test_bars_become_marks():
    bars = [SimpleNamespace(box=(0, 1, 2, 3), text="x")]
    assert marks_of("axes", bars) == (Mark("axes", (0, 1, 2, 3), "x"),)


# Gates and other ways


def cells(values, phenotypes):
    frame = pd.DataFrame({"x_um": 0.0, "y_um": 0.0, "pdl1_m": values, "phenotype": phenotypes})
    return CellTable(frame.set_axis(pd.RangeIndex(1, len(frame) + 1, name="label")))


def test_a_gate_is_shown_on_the_cells_that_it_parts():
    table = cells(
        [1.0, 2.0, 3.0, 4.0, np.nan, 6.0],
        ["tumour", "cd8_t", "other", "unknown", "tumour", "tumour"],
    )
    gate = {"statistic": "pdl1_m"}
    expected = {"all": [1, 2, 3, 4, 6], "tumour": [1, 6], "non_tumour": [2, 3]}
    for parent, values in expected.items():
        assert gate_values(table, {**gate, "parent": parent}).tolist() == values
    assert gate_values(table, {"statistic": "nosuch", "parent": "all"}).size == 0


def test_a_gate_is_drawn_on_a_logarithmic_scale_where_the_range_is_wide():
    values = 10 ** np.random.default_rng(0).normal(2, 0.4, 5000)
    gate = {
        "statistic": "pdl1_m", "threshold": 1000.0, "gate_low": 900.0, "gate_high": 1100.0,
    }  # fmt: skip
    _, axes = new_figure(PAPER)
    draw_gate(axes, PAPER, values, gate)
    (line,) = axes.lines
    assert line.get_xdata()[0] == pytest.approx(3.0)
    (steps,) = (p for p in axes.patches if hasattr(p, "get_data"))
    assert steps.get_data().values.sum() == 5000
    labels = [t.get_text() for t in axes.get_xticklabels()]
    assert [float(t) for t in labels] == [pytest.approx(10**x) for x in axes.get_xticks()]
    assert 2 <= len(labels) <= 5
    _, axes = new_figure(PAPER)
    draw_gate(axes, PAPER, np.zeros(0), gate)
    assert "no cell was measured for this gate" in [t.get_text() for t in axes.texts]


def summary_row(near, value, low=np.nan, high=np.nan):
    return {
        "metric": "pdl1_negative_fraction_touching_cd8", "phenotype": "tumour", "region": "tissue",
        "neighbourhood": near, "value": value, "ci_low": low, "ci_high": high, "numerator": 30,
        "denominator": 60, "reason": "7 cells, 20 needed" if np.isnan(value) else "",
    }  # fmt: skip


def test_every_way_to_judge_is_a_row():
    summary = pd.DataFrame(
        [
            summary_row("contact", 0.5, 0.4, 0.6),
            summary_row("r10", np.nan),
            {**summary_row("contact", 0.9), "region": "centre"},
        ]
    )
    sensitivity = pd.DataFrame(
        [
            {**summary_row("", 0.7), "kind": "growth", "variant": "segment.grow_um = 5"},
            {**summary_row("", 0.6), "kind": "statistic", "variant": "membrane_p35"},
            {**summary_row("", 0.1), "kind": "gate", "variant": "pdl1_low", "metric": "other"},
        ]
    )
    ways = headline_ways({"summary": summary, "sensitivity": sensitivity})
    assert [w[0] for w in ways] == [
        "as reported", "CD8 within 10 µm", "nuclei grown by 5 µm", "membrane read by p35",
    ]  # fmt: skip
    assert [w[1] for w in ways] == pytest.approx([0.5, np.nan, 0.7, 0.6], nan_ok=True)
    assert ways[1][4] == "CD8 within 10 µm: not evaluable: 7 cells, 20 needed"
    _, axes = new_figure(PAPER)
    boxes = draw_ways(axes, PAPER, ways)
    assert len(boxes) == 4
    dots = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([50, 70, 60])
    assert "not evaluable" in [t.get_text() for t in axes.texts]


# The parts of a page


def test_parts_of_a_page_escape_what_they_show():
    from immunescape.report.html.page import _environment

    template = """{% import "parts.html" as parts %}{{ parts.cards(cards) }}{{ parts.checks(checks)
      }}{{ parts.table(table) }}{{ parts.told(texts, "<h>") }}"""
    text = (
        _environment()
        .from_string(template)
        .render(
            cards=[Card(what="<a>", value="<v>", more=("<m>",), doubt="<d>")],
            checks=[Check(state="doubt", text="<c>")],
            table=Table(
                key="t", caption="<cap>", columns=(Column("<col>"),), rows=[("<cell>",)],
                filters=True,
            ),
            texts=["<t>"],
        )
    )  # fmt: skip
    for name in ("a", "v", "m", "d", "c", "cap", "col", "cell", "t", "h"):
        assert f"<{name}>" not in text
        assert f"&lt;{name}&gt;" in text
    assert "Doubt: " in text
    with pytest.raises(Exception, match="nosuch"):
        page("nosuch.html")
