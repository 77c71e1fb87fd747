"""The outbox: every message from the moment it is decided to the last that is heard of it.

`enqueue` and `steps` put messages in, `dispatcher` sends them, `receipts` and `bounces` take in what became of them.
"""
