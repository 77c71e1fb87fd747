"""Refusals: what servers and providers say of an address, weighed."""
