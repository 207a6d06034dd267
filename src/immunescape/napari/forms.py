"""Forms made from Params classes: ranges, units and help are those of the class."""

import dataclasses
from typing import Any

from magicgui import magicgui
from magicgui.widgets import Container

from immunescape.params import help_texts, limits

__all__ = ["params_form", "read_form", "show_params"]


def params_form(params_class: type, names: tuple[str, ...] = ()) -> Container:
    """Return a form for the fields of a Params class.

    Parameters
    ----------
    params_class
        A Params class.
    names
        Fields to show, in this order; all where empty.

    Returns
    -------
    magicgui.widgets.Container
        One control a field; labels carry the unit, tooltips the text of the class's docstring.
    """
    whole = magicgui(params_class)
    texts, ranges = help_texts(params_class), limits(params_class)
    controls = []
    for name in names or tuple(f.name for f in dataclasses.fields(params_class)):
        control = whole[name]
        whole.remove(control)
        unit = ranges[name].unit if name in ranges else ""
        plain = name.removesuffix("_um").removesuffix("_um2").removesuffix("_px").replace("_", " ")
        control.label = plain + (f" ({unit})" if unit else "")
        control.tooltip = texts.get(name, "")
        controls.append(control)
    form = Container(labels=True)
    form.margins = (0, 0, 0, 0)
    for control in controls:  # one by one: only then are the labels made equally wide
        form.append(control)
    return form


def read_form(form: Container, params: Any) -> Any:
    """Return the params with the values that a form shows.

    Raises
    ------
    ParameterError
        If a value lies outside its range.
    """
    return dataclasses.replace(params, **{control.name: control.value for control in form})


def show_params(form: Container, params: Any) -> None:
    """Show params in a form, without telling those who listen to it."""
    for control in form:
        value = getattr(params, control.name)
        if control.value != value:
            with control.changed.blocked():
                control.value = value
