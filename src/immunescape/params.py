"""How a parameter is declared: once, on a frozen dataclass, with its range, unit and help.

The same class serves as a magicgui form, as cyclopts flags and as a TOML table, therefore its
fields are scalars, literals or fixed-length tuples only.
"""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from immunescape.errors import ParameterError

__all__ = ["Between", "Params", "help_texts", "limits"]


@dataclass(frozen=True)
class Between:
    """Closed range of a number, with the step of its control and its unit.

    It answers ``keys`` and ``[]`` as well, because magicgui unpacks the items of an ``Annotated``
    type as a mapping of widget options.

    Parameters
    ----------
    min, max
        Smallest and largest value allowed, both included.
    step
        Step of the control in a form; 0 leaves the choice to the form.
    unit
        Unit as printed, such as ``"µm"``; empty for a pure number.
    """

    min: float
    max: float
    step: float = 0.0
    unit: str = ""

    def keys(self) -> Iterator[str]:
        """Names of the widget options that this range sets."""
        return iter(("min", "max", "step") if self.step else ("min", "max"))

    def __getitem__(self, key: str) -> float:
        return {"min": self.min, "max": self.max, "step": self.step}[key]

    def __contains__(self, value: object) -> bool:
        return (
            isinstance(value, (int, float))
            and math.isfinite(value)
            and self.min <= value <= self.max
        )


def limits(params_class: type) -> dict[str, Between]:
    """Return the declared range of each ranged field of a Params class."""
    hints = get_type_hints(params_class, include_extras=True)
    return {
        name: item
        for name, hint in hints.items()
        if get_origin(hint) is Annotated
        for item in get_args(hint)[1:]
        if isinstance(item, Between)
    }


def help_texts(documented: type) -> dict[str, str]:
    """Return the text on each field of a class, from the Parameters section of its docstring."""
    from docstring_parser import parse

    return {
        name.strip(): " ".join((p.description or "").split())
        for p in parse(documented.__doc__ or "").params
        for name in p.arg_name.split(",")
    }


class Params:
    """Base of all parameter classes: values outside their declared range are refused.

    Raises
    ------
    ParameterError
        Naming the field, its value and the range, when an instance is made.
    """

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self), include_extras=True)
        ranges = limits(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value: Any = getattr(self, field.name)
            owner = type(self).__name__
            if (between := ranges.get(field.name)) is not None and value not in between:
                unit = f" {between.unit}" if between.unit else ""
                raise ParameterError(
                    f"{owner}: {field.name} is {value}; "
                    f"give a value from {between.min:g} to {between.max:g}{unit}"
                )
            choices = _choices(hints[field.name])
            if choices and value not in choices:
                allowed = ", ".join(map(str, choices))
                raise ParameterError(f"{owner}: {field.name} is {value!r}; give one of {allowed}")


def _choices(hint: Any) -> tuple[Any, ...]:
    from typing import Literal

    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return get_args(hint) if get_origin(hint) is Literal else ()
