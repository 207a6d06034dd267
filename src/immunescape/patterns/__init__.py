"""What the numbers are consistent with, in words, and what argues against it."""

from immunescape.patterns.course import COURSES
from immunescape.patterns.params import PatternParams
from immunescape.patterns.readings import AXES
from immunescape.patterns.table import RESEARCH_USE, pattern_table

__all__ = ["AXES", "COURSES", "RESEARCH_USE", "PatternParams", "pattern_table"]
