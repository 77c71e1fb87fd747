"""Demo on one command: a made-up union, its ballot, and members who answer."""
