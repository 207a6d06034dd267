"""What tests of several parts share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def without_reports():
    """Leave out the page and the workbook of every slide: they have their own tests.

    They take two seconds a run, longer than all else in the small slides that most tests run.
    """

    def write_slide_workbook(folder: Path, *_: object) -> None:
        (folder / "report.xlsx").write_bytes(b"")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("immunescape.pipeline.run.slide_report", lambda told: "<!doctype html>")
        patch.setattr("immunescape.pipeline.outputs.write_slide_workbook", write_slide_workbook)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that have slow tests: none of them is then left to run alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
