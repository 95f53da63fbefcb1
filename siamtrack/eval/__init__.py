"""Scores, by the definitions of the benchmarks."""
