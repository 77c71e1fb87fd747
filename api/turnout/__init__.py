"""The turnout feed: changes, a stream of them, and snapshots."""
