"""What a reply means, read by rules that are data."""

from campaigns.reading.reader import READINGS, REPEATED, Reading, read_reply

__all__ = ["READINGS", "REPEATED", "Reading", "read_reply"]
