"""The live window: drawing with the mouse, keys, and what is shown."""
