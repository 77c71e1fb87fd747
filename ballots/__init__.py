"""Ballots and their turnout: electorate, claims, counts.

`ballots.create_ballot` creates a ballot from a file read by `spec`, `claims.record_claim` is the only way to record
that somebody has voted, `counts` and `score` compute its figures.
"""
