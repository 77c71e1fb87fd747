"""Providers' webhooks about emails, a module each."""
