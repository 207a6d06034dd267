"""What argues for a pattern and what against it, as numbers with n and interval."""

from collections.abc import Iterator

from immunescape.patterns.numbers import Number, Numbers
from immunescape.patterns.params import PatternParams
from immunescape.patterns.rules import Clause, Rule

__all__ = ["evidence", "joined"]

_MOST = 4
"""So many other ways to judge the slide are named; the others are counted."""
_SAID_ELSEWHERE = ("automatic gate not confirmed", "nearer to the frame than to the interface")
"""Notes of the summary that are no argument here: gates are told apart, edges in the summary."""


def evidence(rule: Rule, numbers: Numbers, params: PatternParams) -> tuple[str, str]:
    """Return what argues for a pattern on one slide, and what against it.

    Clauses that hold argue for it, the others and those that cannot be judged against it. Where
    all hold, so do doubts: an end of a gate's range, or another way to judge the slide, under
    which a value alone is on the other side of its threshold; gates that nobody confirmed; a
    tumour region that nobody drew; what the summary notes. Where a clause fails, an end of a
    gate's range or another way that would meet it argues for the pattern.
    """
    held = rule.holds(numbers, params)
    told: dict[bool, list[str]] = {True: [], False: []}
    for clause in rule.clauses:
        meets = clause.holds(numbers, params)
        told[meets is True].append(clause.evidence(numbers, params))
        if clause.end == "p" or numbers[clause.number].reason:
            continue
        if held:
            told[False] += _turns(clause, numbers[clause.number], params, meets=False)
        elif meets is False:
            told[True] += _turns(clause, numbers[clause.number], params, meets=True)
    if held:
        told[False] += _doubts(rule, numbers)
    return joined(told[True]), joined(told[False])


def joined(parts: list[str]) -> str:
    """Join what is said, each once."""
    return "; ".join(dict.fromkeys(part for part in parts if part))


def _turns(clause: Clause, number: Number, params: PatternParams, *, meets: bool) -> Iterator[str]:
    """Yield under which gates and ways the value alone meets the clause, or does not."""
    if clause.point_meets(number.value, params) is meets:
        return
    verb = "would meet" if meets else "would not meet"
    for end, value in number.at_gates.items():
        if clause.point_meets(value, params) is meets:
            yield (
                f"at the {end} end of the gate's range {number.words} is {number.form(value)}, "
                f"which {verb} the threshold"
            )
    ways = [w for w, v in number.otherwise.items() if clause.point_meets(v, params) is meets]
    if ways:
        more = f" and {len(ways) - _MOST} more" if len(ways) > _MOST else ""
        named = ", ".join(f"{w}: {number.form(number.otherwise[w])}" for w in ways[:_MOST])
        yield (
            f"judged otherwise {number.words} {verb} the threshold ({named}{more}, of "
            f"{len(number.otherwise)} ways)"
        )


def _doubts(rule: Rule, numbers: Numbers) -> Iterator[str]:
    if numbers.unconfirmed:
        yield f"gates found automatically that nobody confirmed: {', '.join(numbers.unconfirmed)}"
    if numbers.tumour_source == "derived":
        yield "the tumour region was derived from its cells, nobody drew it"
    names = {clause.number for clause in rule.clauses}
    node = " ".join(numbers.site.casefold().replace("_", " ").replace("-", " ").split())
    if node == "lymph node" and any(name.startswith("other") for name in names):
        yield "in a lymph node the other cells are for the most part the node's own lymphocytes"
    for name in dict.fromkeys(clause.number for clause in rule.clauses):
        for note in filter(None, numbers[name].note.split("; ")):
            if not any(said in note for said in _SAID_ELSEWHERE):
                yield f"{numbers[name].words}: {note}"
