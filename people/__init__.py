"""People: who they are, their units, addresses and attributes, the files and lists they come in."""
