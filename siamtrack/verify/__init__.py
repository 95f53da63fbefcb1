"""Are these two the same? Distances, galleries, thresholds."""
