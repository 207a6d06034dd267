"""The page about the nuclei of a slide: read with a parser, its pictures pixel by pixel."""

import dataclasses
import re
from base64 import b64decode
from html.parser import HTMLParser

import numpy as np
import pytest

from immunescape.quality import MISSED, OUTLINE, UNUSUAL, chosen_tiles, thumbnail
from immunescape.report.segmentation import segmentation_page
from tests.quality.drawn_nuclei import discs, judged, lattice

SHAPE = (800, 1000)
FIELD = discs(SHAPE, lattice(SHAPE, 20), 4.0)
VOID = {"meta", "rect", "image", "path", "br"}


class Reader(HTMLParser):
    """What a browser would see of a page: text, links, targets, pictures; tags must close."""

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.open = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)

    def of(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def spoiled():
    """Two tiles stand out: in one nuclei were missed, in the other they were joined."""
    found = FIELD.copy()
    found[200:400, 600:800][:, :120] = 0
    part = found[0:200, 800:1000]
    for x in range(0, 200, 40):
        for y in range(0, 200, 20):
            pair = part[y : y + 20, x : x + 40]
            label = pair.max()
            pair[6:13, 6:34] = label
            pair[pair > 0] = label
    return found


@pytest.fixture(scope="module")
def quality():
    return judged(spoiled(), shown=FIELD)


@pytest.fixture(scope="module")
def page(quality):
    worst, others = chosen_tiles(quality.tiles, 24, 3, seed=0)
    text = segmentation_page(
        "P01 <baseline> & more", quality,
        [thumbnail(quality, t) for t in worst], [thumbnail(quality, t) for t in others],
    )  # fmt: skip
    return text, Reader(text)


def test_the_worst_of_each_kind_comes_first_and_the_rest_is_unflagged(quality):
    worst, others = chosen_tiles(quality.tiles, 24, 3, seed=0)
    assert worst == [9, 5]
    assert len(others) == 3
    assert not set(others) & {5, 9}
    assert chosen_tiles(quality.tiles, 1, 3, seed=0) == ([9], others)
    assert chosen_tiles(quality.tiles, 24, 3, seed=1) != (worst, others)
    assert chosen_tiles(quality.tiles, 0, 0, seed=0) == ([], [])


def test_the_page_needs_nothing_from_elsewhere(page):
    text, read = page
    assert not read.of("script")
    assert not read.of("link")
    assert "http" not in text.replace("http-equiv", "")
    assert not re.search(r"url\(", text)
    for image in read.of("image"):
        head, _, data = image["href"].partition(",")
        assert head == "data:image/jpeg;base64"
        assert b64decode(data)[:2] == b"\xff\xd8"
    assert len(read.of("image")) == 1 + 2 + 3
    assert len(text) < 3_000_000


def test_names_are_escaped_and_the_page_says_what_it_is(page):
    text, read = page
    assert "P01 <baseline> & more" in read.words
    assert "<baseline>" not in text
    assert "For research use, not for diagnosis." in read.words
    assert ("html", {"lang": "en"}) in read.tags
    assert len(read.of("title")[:1]) == 1


def test_the_page_says_in_figures_and_words_what_was_found(page):
    _, read = page
    assert "2 of 20 tiles with tissue stand out: look there first." in read.words
    assert "60% of the nuclear stain has no nucleus: nuclei missed, or debris?" in read.words
    assert "Tile 9, at 600 µm from the left and 200 µm from the top. 40 cells" in read.words
    assert "2 362 cells per mm² of tissue" in read.words
    assert "8.1 µm median diameter of the nuclei" in read.words


def test_borders_of_tiles_are_spoken_of_only_where_tiles_were_compared(quality):
    """Labels that came with the slide, and earlier results, do not tell; that is not none."""
    row = "Nuclei across the borders of tiles"

    def words(**known):
        return Reader(segmentation_page("x", quality, **known)).words

    assert row not in words()
    assert "do not agree" not in words()
    assert f"{row} 120 seen whole by both; on 3 of them the two" in words(crossing=120, suspects=3)
    assert f"{row} 0 Cells that the frame cuts" in words(crossing=0, suspects=0)


def test_every_mark_of_the_map_leads_to_its_picture(page):
    _, read = page
    targets = {f"#{f['id']}" for f in read.of("figure") if "id" in f}
    links = [a["href"] for a in read.of("a")]
    assert links == ["#tile-5", "#tile-9"]
    assert set(links) <= targets
    kinds = [svg["role"] for svg in read.of("svg") if svg["aria-label"]]
    assert kinds == ["group", *["img"] * (len(read.of("svg")) - 1)]


def at(picture, x_um, y_um):
    """Colour of a picture at a place of the slide."""
    row = int((y_um - picture.y_um) / picture.pixel_um)
    column = int((x_um - picture.x_um) / picture.pixel_um)
    return tuple(int(v) for v in picture.pixels[row, column])


def test_a_picture_shows_its_place(quality):
    """Nuclei are 20 µm apart; the one at (650, 230) was missed, that at (750, 230) was not."""
    picture = thumbnail(quality, 9)
    assert (picture.x_um, picture.y_um) == (580, 180)
    assert picture.pixels.shape == (480, 480, 3)
    assert picture.pixel_um == 0.5
    bright = at(picture, 750, 230)
    assert len(set(bright)) == 1
    assert bright[0] > 200
    assert at(picture, 740.2, 240.2)[0] < 120
    outline = at(picture, 746.2, 230.2)  # the leftmost pixel of the nucleus
    assert outline == OUTLINE
    colours = {tuple(c) for c in picture.pixels.reshape(-1, 3).tolist()}
    assert MISSED in colours
    left = picture.pixels[:, : int((700 - 580) / 0.5)].reshape(-1, 3)
    inside = picture.pixels[40:440, 40 : int((715 - 580) / 0.5)].reshape(-1, 3)
    assert not (inside == OUTLINE).all(axis=1).any()
    assert (left == MISSED).all(axis=1).sum() > 500


def test_odd_nuclei_have_a_colour_of_their_own(quality):
    picture = thumbnail(quality, 5)
    inside = picture.pixels[80:-80, 80:-80].reshape(-1, 3)
    assert (inside == UNUSUAL).all(axis=1).any()
    assert not (inside == OUTLINE).all(axis=1).any()


def test_pictures_at_the_corners_are_as_large_and_within_the_frame(quality):
    picture = thumbnail(quality, 1)
    assert (picture.x_um, picture.y_um) == (0, 0)
    assert picture.pixels.shape == (480, 480, 3)
    last = thumbnail(quality, 20)
    assert (last.x_um, last.y_um) == (1000 - 240, 800 - 240)
    assert last.pixels.shape == (480, 480, 3)


@pytest.mark.parametrize("pixel_um", [0.2, 0.5, 2.0])
def test_pictures_at_any_pixel_size_show_their_place(pixel_um):
    """One nucleus of 12 µm stands 60 µm from the left and 40 µm from the top of tile 4 of 4."""
    shape = tuple(round(400 / pixel_um) for _ in "yx")
    middles = [(y / pixel_um, x / pixel_um) for y, x in [(240, 260), (100, 100), (320, 80)]]
    quality = judged(discs(shape, middles, 6 / pixel_um), pixel_um=pixel_um)
    picture = thumbnail(quality, 4)
    assert max(picture.pixels.shape) <= 480
    grey = picture.pixels.min(axis=2).astype(int)
    grey[(picture.pixels.max(axis=2) - grey) > 30] = 255  # outlines
    rows, columns = np.nonzero(grey > 190)
    y, x = (v.mean() * picture.pixel_um for v in (rows + 0.5, columns + 0.5))
    assert (picture.x_um + x, picture.y_um + y) == pytest.approx((260, 240), abs=1.5)


def test_a_slide_on_which_nothing_stands_out_or_nothing_is_has_a_page():
    fine = judged(FIELD)
    read = Reader(segmentation_page("fine", fine, [], [thumbnail(fine, 1)]))
    assert "None of 20 tiles with tissue stands out." in read.words
    empty = judged(FIELD, tissue=np.zeros((400, 500), bool))
    read = Reader(segmentation_page("glass", empty))
    assert "No tile of this slide holds enough tissue to be judged." in read.words
    assert "not judged of the nuclear stain has no nucleus" in read.words
    none = judged(np.zeros(SHAPE, np.int32), shown=FIELD)
    worst, _ = chosen_tiles(none.tiles, 2, 0, seed=0)
    read = Reader(segmentation_page("none", none, [thumbnail(none, t) for t in worst]))
    assert "20 of 20 tiles with tissue stand out" in read.words
    assert "18 more tiles stand out and are not shown here" in read.words
    assert "100% of the nuclear stain has no nucleus: some were missed" in read.words


def test_cells_and_slides_without_a_nuclear_stain_are_spoken_of_as_such():
    cells = judged(FIELD, nuclei=False)
    read = Reader(segmentation_page("cells", cells, [], [thumbnail(cells, 1)]))
    assert "How well were the cells of cells found?" in read.words
    assert "stain has no cell" in read.words
    dark = dataclasses.replace(
        cells, surface=dataclasses.replace(cells.surface, stain=None), notes=("only so much",)
    )
    picture = thumbnail(dark, 1)
    assert {tuple(c) for c in picture.pixels.reshape(-1, 3).tolist()} == {(0, 0, 0), OUTLINE}
    assert "only so much" in Reader(segmentation_page("dark", dark, [], [picture])).words
