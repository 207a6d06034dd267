"""The report of a slide in a real browser: nothing is asked for, all is drawn, keys and paper."""

import re
from dataclasses import replace

import pytest

from immunescape.report.html.slide import slide_report
from immunescape.report.told import load_told
from tests.report.browser import Browser, pages_of
from tests.report.test_slide_page import EVIL, hostile

FOCUSED = """(() => { const e = document.activeElement;
  return [e.tagName.toLowerCase(), e.className, (e.textContent || "").slice(0, 30)]; })()"""
SEEN = """Array.from(document.querySelectorAll(".chart svg")).map((svg) => {
  const box = svg.getBoundingClientRect();
  return [box.width, box.height, svg.querySelectorAll("path, image, text").length]; })"""


@pytest.fixture(scope="module")
def browser():
    with Browser() as one:
        yield one


@pytest.fixture(scope="module")
def report(small_run):
    return small_run[0] / "report.html"


@pytest.fixture(scope="module")
def evil(small_run, tmp_path_factory):
    """The page of a result whose every text is hostile, and long."""
    told = hostile(load_told(small_run[0]))
    result = replace(told.result, name=f"{EVIL} {'W' * 150}", warnings=(f"{EVIL} " * 20,) * 12)
    path = tmp_path_factory.mktemp("evil") / "report.html"
    path.write_text(slide_report(replace(told, result=result)), encoding="utf-8")
    return path


@pytest.mark.parametrize("dark", [False, True])
def test_all_is_drawn_and_nothing_asked_for(browser, report, dark):
    browser.open(report, dark=dark)
    assert browser.complaints == []
    assert browser.requests == [report.as_uri()]
    charts = browser.ask(SEEN)
    assert len(charts) == 13
    assert all(width > 200 and height > 100 and parts > 8 for width, height, parts in charts)
    ink, ground = (browser.ask(f"getComputedStyle(document.body).{p}") for p in _COLOURS)
    assert (_light(ink) > 0.8) is dark and (_light(ground) < 0.2) is dark
    axis = browser.ask(
        "getComputedStyle(document.querySelector('#profile-title').parentElement"
        ".querySelector('text')).fill"
    )
    assert (_light(axis) > 0.8) is dark


_COLOURS = ("color", "backgroundColor")


def _light(colour):
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 765


def test_hostile_text_runs_nothing(browser, evil):
    browser.open(evil)
    assert browser.complaints == []
    assert browser.requests == [evil.as_uri()]
    assert browser.ask("document.querySelectorAll('script').length") == 1
    assert browser.ask("document.querySelector('h1').textContent").startswith(EVIL)
    width = browser.ask("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0  # nothing sticks out sideways


def test_the_keyboard_goes_through_in_the_order_of_reading(browser, report):
    browser.open(report)
    browser.press("Tab")
    assert browser.ask(FOCUSED)[1] == "skip"
    browser.press("Tab")
    assert browser.ask(FOCUSED)[:2] == ["button", "theme screen"]
    reached = 0
    browser.ask("window.before = document.activeElement")
    for _ in range(80):
        browser.press("Tab")
        if browser.ask(FOCUSED)[0] == "body":
            break
        if browser.ask("document.activeElement.className === 'skip'"):
            break  # round once
        # each follows the one before it in the text, which is the order on the page
        assert browser.ask("window.before.compareDocumentPosition(document.activeElement) & 4")
        browser.ask("window.before = document.activeElement")
        reached += 1
    assert reached > 25
    browser.press("Tab")
    outline = browser.ask("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_arrow_keys_tell_the_values_of_a_chart(browser, report):
    browser.open(report)
    browser.ask("document.querySelector('.chart:has(#contacts-title)').focus()")
    browser.press("ArrowRight")
    first = browser.ask("document.querySelector('.tip').textContent")
    said = "document.querySelector('.chart:has(#contacts-title) [aria-live]').textContent"
    assert "tumour cells touching CD8: " in first
    assert browser.ask(said) == first
    browser.press("ArrowRight")
    assert browser.ask(said) != first
    browser.press("ArrowLeft")
    assert browser.ask(said) == first
    browser.press("Escape")
    assert browser.ask("document.querySelector('.tip').hidden")


def test_tables_sort_and_filter(browser, report):
    browser.open(report)
    browser.ask("document.querySelector('#numbers ~ details').open = true")
    values = """Array.from(document.querySelectorAll('#table-summary tbody tr')).filter(
      (r) => !r.hidden).map((r) => r.cells[2].dataset.value)"""
    browser.ask("document.querySelectorAll('#table-summary thead button')[2].click()")
    shown = [float(v) for v in browser.ask(values) if v]
    assert shown == sorted(shown) and len(set(shown)) > 10
    assert browser.ask(values)[-1] in ("", None)  # what is missing stands last
    browser.ask("document.querySelectorAll('#table-summary thead button')[2].click()")
    assert [float(v) for v in browser.ask(values) if v] == shown[::-1]
    browser.ask("""(() => { const i = document.querySelector('[aria-controls=table-summary]');
      i.value = 'density centre'; i.dispatchEvent(new Event('input')); })()""")
    rows = browser.ask("""Array.from(document.querySelectorAll('#table-summary tbody tr')).filter(
      (r) => !r.hidden).map((r) => r.textContent.toLowerCase())""")
    assert rows and all("density" in r and "centre" in r for r in rows)


def test_a_person_can_choose_the_colours(browser, report):
    browser.open(report)
    ground = "getComputedStyle(document.body).backgroundColor"
    assert _light(browser.ask(ground)) > 0.8
    browser.ask("document.querySelector('button.theme').click()")
    assert _light(browser.ask(ground)) < 0.2
    assert browser.ask("document.querySelector('button.theme').textContent") == "Light colours"


@pytest.mark.parametrize("which", ["report", "evil"])
def test_page_one_fits_one_sheet(browser, which, request):
    browser.open(request.getfixturevalue(which), dark=True)
    whole = pages_of(browser.pdf())
    browser.ask("""document.head.append(Object.assign(document.createElement('style'),
      {textContent: '.page ~ *, footer { display: none !important }'}))""")
    assert pages_of(browser.pdf()) == 1
    assert 4 < whole < 30


def test_a_narrow_window_needs_no_sideways_scrolling(browser, report):
    browser.open(report, width=380)
    assert browser.ask("document.documentElement.scrollWidth") <= 380
