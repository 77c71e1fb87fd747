"""Campaigns: audience, steps, preview, launch, and the replies to them.

`campaigns.create_campaign` creates a campaign from a file read by `spec`, `preview.plan_launch` previews a launch,
`launch.launch` does it, and `replies.answers` and `replies.presses` process what comes back.
"""
