"""Providers' webhooks about texts."""
