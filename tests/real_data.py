"""Where the real data are that tests compare with; they are not part of the project."""

import os
from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"
DATA = _FOLDER if _FOLDER.is_dir() else None

REQUIRED = os.environ.get("IMMUNESCAPE_REAL_DATA") == "required"
"""Set where the data must be there: then a test without them fails rather than be skipped."""


def needs(*parts: str) -> pytest.MarkDecorator:
    """Mark a test that is skipped, with the reason, where a real file is absent."""
    path = _FOLDER.joinpath(*parts)
    absent = not path.exists() and not REQUIRED
    return pytest.mark.skipif(absent, reason=f"real data {'/'.join(parts)} is absent")
