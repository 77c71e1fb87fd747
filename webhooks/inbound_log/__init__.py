"""Inbound log: items are stored before they are answered, and processed afterwards."""
