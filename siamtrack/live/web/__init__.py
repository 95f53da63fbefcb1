"""The live page: its server, the rooms that tabs are in, and what may come in."""
