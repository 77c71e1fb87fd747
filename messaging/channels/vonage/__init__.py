"""Vonage: SMS by its Messages API, and its error codes."""
