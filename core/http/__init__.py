"""HTTP, in and out: bodies, networks, limits, requests to addresses that people have entered."""
