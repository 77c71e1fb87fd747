"""Twilio: SMS by its Messages API, its error codes and its signature."""
