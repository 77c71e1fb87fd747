"""Delivery of one message to one person, once.

Whoever stands above makes steps with `outbox.steps`, fills them with `outbox.enqueue`, asks what became of them with
`outbox.counts` and `outbox.history`, tells who is not to be written to with `suppression`, `bulk_suppression` and
`consent`, and that something is met with `goals`. The worker runs `outbox.dispatcher` over `channels.open_channels`.
"""
