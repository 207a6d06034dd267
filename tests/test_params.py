"""A parameter is declared once: as a form, as TOML and as a flag it is the same thing."""

import dataclasses
import os
from typing import Annotated, Literal, get_type_hints

import pytest
from docstring_parser import parse

if not os.environ.get("DISPLAY"):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from immunescape.errors import ParameterError
from immunescape.params import Between, Params, limits
from immunescape.simulate import FieldParams
from immunescape.study import STEPS

EVERY = [*STEPS.values(), FieldParams]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawn(Params):
    """An example.

    Parameters
    ----------
    width_um
        Width.
    kind
        Kind.
    """

    width_um: Annotated[float, Between(2, 40, step=0.5, unit="µm")] = 8.0
    kind: Literal["a", "b"] = "a"


@pytest.mark.parametrize("width", [2, 40, 8.25])
def test_values_within_the_range_are_taken(width):
    assert Drawn(width_um=width).width_um == width


@pytest.mark.parametrize("width", [1.99, 40.1, float("nan"), float("inf"), "8"])
def test_values_beyond_the_range_name_field_value_and_range(width):
    with pytest.raises(ParameterError, match=r"width_um is .*from 2 to 40 µm"):
        Drawn(width_um=width)


def test_an_unknown_choice_lists_the_choices():
    with pytest.raises(ParameterError, match="kind is 'c'; give one of a, b"):
        Drawn(kind="c")


@pytest.mark.parametrize("params", EVERY, ids=lambda p: p.__name__)
def test_every_field_has_a_help_text_and_every_number_a_range(params):
    described = {
        name.strip()
        for p in parse(params.__doc__).params
        for name in p.arg_name.split(",")
        if p.description
    }
    names = {f.name for f in dataclasses.fields(params)}
    assert names <= described
    hints = get_type_hints(params)
    numbers = {n for n in names if hints[n] in (int, float)}
    assert numbers <= set(limits(params))


@pytest.mark.parametrize("params", EVERY, ids=lambda p: p.__name__)
def test_the_form_returns_the_same_values(params):
    from magicgui import magicgui
    from magicgui.widgets import EmptyWidget
    from qtpy.QtWidgets import QApplication

    app = QApplication.instance() or QApplication([])
    form = magicgui(params)
    assert form() == params()
    assert not any(isinstance(widget, EmptyWidget) for widget in form)
    ranges = limits(params)
    for field in dataclasses.fields(params):
        widget = getattr(form, field.name)
        default = getattr(params(), field.name)
        if field.name in ranges:
            limit = ranges[field.name]
            widget.value = limit.min if default != limit.min else limit.max
        elif isinstance(default, bool):
            widget.value = not default
        elif hasattr(widget, "choices"):
            widget.value = next(c for c in widget.choices if c != default)
        elif isinstance(default, str):
            widget.value = default + "x"
        else:
            continue
        assert getattr(form(), field.name) != default, field.name
        widget.value = default
    form.close()
    app.processEvents()
