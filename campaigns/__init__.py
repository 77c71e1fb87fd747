"""Campaigns: whom to ask about what, when, and what they answered.

`campaigns.create_campaign` makes one of a file that `spec` has read, `preview.plan` says what a launch would do,
`launch.launch` does it, and `replies.answers` takes in whatever people answer.
"""
