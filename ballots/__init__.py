"""Ballots and their turnout: electorate, claims, counts.

`ballots.create_ballot` makes one of a file that `spec` has read, `claims.record_claim` is the only way to say that
somebody has voted, `counts` and `score` say how it stands.
"""
