"""The live page: its server, the sessions that clients see, and what may come in."""
