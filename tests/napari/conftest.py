"""What every test of the plugin needs: a screen, and napari's own deprecations let pass."""

import os
import sys

import pytest


def pytest_collection_modifyitems(items):
    """Say why a viewer cannot be had, rather than crash in Qt."""
    here = os.path.dirname(__file__)
    shown = (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform != "linux"
    )
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(
                pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
            )
            if not shown:
                item.add_marker(pytest.mark.skip(reason="needs a screen; run under xvfb-run"))
