"""Vonage: texts by its Messages API and its error codes."""
