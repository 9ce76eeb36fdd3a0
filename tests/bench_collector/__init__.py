"""How fast the collector is: a benchmark, not a test."""
