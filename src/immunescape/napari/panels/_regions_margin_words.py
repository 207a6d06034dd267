"""What the margin is at a width, in words."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from immunescape.margin import MarginMap
    from immunescape.margin.preview import MarginGround

__all__ = ["margin_words"]

_LEAST_MM = 0.005
"""Less than this is no length to speak of: it would be told as 0.00 mm."""


def margin_words(
    ground: "MarginGround", width_um: float, mapped: "MarginMap | None", *, measured: bool
) -> str:
    """Return how long the margin is, what of the outline is none, and the areas.

    Parameters
    ----------
    ground
        The margin, whatever its width.
    width_um
        Its width on each side.
    mapped
        Its areas; None while they are not known.
    measured
        Whether the slide is measured, so that its tissue is known.
    """
    if ground.interface.is_empty:
        return "The tumour has no margin within the analysed tissue."
    words = [f"Margin of {width_um:g} µm on each side, {ground.length_mm:.2f} mm long."]
    rest = float(ground.not_counted.length) / 1e3
    at_frame = min(ground.at_frame_um / 1e3, rest)
    if at_frame >= _LEAST_MM:
        words.append(f"{at_frame:.2f} mm of the outline lies at the frame: not counted.")
    if rest - at_frame >= _LEAST_MM:
        words.append(
            f"{rest - at_frame:.2f} mm lies at glass or at what was left out: not counted."
        )
    if mapped is not None:
        areas = mapped.areas.areas_mm2
        words.append(
            f"Inner margin {areas['inner_margin']:.3f} mm², outer margin "
            f"{areas['outer_margin']:.3f} mm², centre {areas['centre']:.3f} mm²."
        )
    elif not measured:
        words.append("Areas follow once the slide is measured: tissue is not known yet.")
    else:
        words.append("Counting areas …")
    return " ".join(words)
