"""Refusals of mail servers and providers, weighed against the address."""
