"""What the numbers are consistent with, in words, and what argues against it."""
