"""The outbox: every message from the launch of its step to its last receipt.

`enqueue` and `steps` put messages in, `dispatcher` sends them, `receipts` and `bounces` record the results.
"""
