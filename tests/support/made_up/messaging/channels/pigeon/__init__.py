"""Pigeon: SMS by a provider that does not exist."""
