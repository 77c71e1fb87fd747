"""HTTP, in and out: bodies, networks, limits, requests to strangers."""
