"""Clips in which the target is absent for a while, out of labelled sequences."""
