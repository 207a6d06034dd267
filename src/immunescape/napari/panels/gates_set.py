"""What a person set of the gates: confirmed in the study, or moved and not yet confirmed."""

from dataclasses import dataclass

from immunescape.phenotype import GateSpec

__all__ = ["GatesSet"]

Key = tuple[str, str]


@dataclass(frozen=True)
class GatesSet:
    """Gates set by hand; never changed, so that each step can be taken back.

    Parameters
    ----------
    confirmed
        Gates of the study.
    moved
        Gates that were moved and that nobody has confirmed yet; they go before the others.
    """

    confirmed: tuple[GateSpec, ...] = ()
    moved: tuple[GateSpec, ...] = ()

    @property
    def specs(self) -> tuple[GateSpec, ...]:
        """All of them, each gate once."""
        moved = {_key(spec) for spec in self.moved}
        return tuple(s for s in self.confirmed if _key(s) not in moved) + self.moved

    def move(self, spec: GateSpec) -> "GatesSet":
        """Return these with one gate moved."""
        return GatesSet(self.confirmed, (*_without(self.moved, _key(spec)), spec))

    def confirm(self, spec: GateSpec) -> "GatesSet":
        """Return these with one gate confirmed."""
        key = _key(spec)
        return GatesSet((*_without(self.confirmed, key), spec), _without(self.moved, key))

    def reset(self, key: Key) -> "GatesSet":
        """Return these with nothing set of one gate, by its marker and parent."""
        return GatesSet(_without(self.confirmed, key), _without(self.moved, key))

    def status(self, key: Key) -> str:
        """Return ``moved`` or ``confirmed``; empty where a gate is not set by hand."""
        if any(_key(spec) == key for spec in self.moved):
            return "moved"
        return "confirmed" if any(_key(s) == key and s.confirmed for s in self.confirmed) else ""


def _key(spec: GateSpec) -> Key:
    return spec.marker, spec.parent


def _without(specs: tuple[GateSpec, ...], key: Key) -> tuple[GateSpec, ...]:
    return tuple(spec for spec in specs if _key(spec) != key)
