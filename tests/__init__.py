"""The tests: `unit` starts nothing, `integration` starts real servers and processes."""
