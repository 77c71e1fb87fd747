"""What we tell others: signed webhooks (Standard Webhooks), one ordered stream for each subscription.

`catalogue` says what can be told; `stream` finds it in the ledgers and numbers it; `sender` delivers it, for which a
worker asks every second; `subscriptions` are who is told.
"""
