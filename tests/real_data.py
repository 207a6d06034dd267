"""Where the real data are that tests compare with; they are not part of the project."""

from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"
DATA = _FOLDER if _FOLDER.is_dir() else None


def needs(*parts: str) -> pytest.MarkDecorator:
    """Mark a test that is skipped, with the reason, where a real file is absent."""
    path = _FOLDER.joinpath(*parts)
    return pytest.mark.skipif(not path.exists(), reason=f"real data {'/'.join(parts)} is absent")
