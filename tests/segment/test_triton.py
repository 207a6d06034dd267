"""Triton is not imported where a graphics driver's LLVM would bring the process down."""

import sys

import pytest

from immunescape.segment import _triton

DRAWN_BY_MESA = "7f00-7f01 r-xp 0 fe:00 12 /usr/lib/x86_64-linux-gnu/libLLVM-15.so.1\n"
DRAWN_BY_A_CARD = "7f00-7f01 r-xp 0 fe:00 12 /usr/lib/x86_64-linux-gnu/libnvidia-glcore.so\n"
OF_NUMBA = "7f00-7f01 r-xp 0 fe:00 12 /site-packages/llvmlite/binding/libllvmlite.so\n"


@pytest.mark.parametrize(
    ("loaded", "hidden"),
    [(OF_NUMBA + DRAWN_BY_MESA, True), (OF_NUMBA + DRAWN_BY_A_CARD, False), ("", False)],
)
def test_it_is_hidden_where_mesa_brought_its_own_compiler(tmp_path, monkeypatch, loaded, hidden):
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    (tmp_path / "maps").write_text(loaded, encoding="utf-8")
    _triton.hide_triton(tmp_path / "maps")
    assert ("triton" in sys.modules) == hidden
    if hidden:
        with pytest.raises(ImportError):
            __import__("triton")
        del sys.modules["triton"]


def test_where_it_is_imported_or_nothing_tells_what_is_loaded_all_stays(tmp_path, monkeypatch):
    there = object()
    monkeypatch.setitem(sys.modules, "triton", there)
    (tmp_path / "maps").write_text(DRAWN_BY_MESA, encoding="utf-8")
    _triton.hide_triton(tmp_path / "maps")
    assert sys.modules["triton"] is there
    monkeypatch.delitem(sys.modules, "triton")
    _triton.hide_triton(tmp_path / "absent")
    assert "triton" not in sys.modules
