"""Lists of suppressions and consents, imported and exported."""
