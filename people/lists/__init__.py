"""Lists of suppressions and consents, brought in and handed on."""
