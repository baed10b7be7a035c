"""How the cost grows with the work, and what it is at rest: ``make bench-growth``."""
