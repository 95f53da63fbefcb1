"""Following a target while it is filmed: capture, window and browser page."""
