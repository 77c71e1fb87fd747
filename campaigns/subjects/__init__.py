"""Subjects: what campaigns are about. A ballot, a question, or a notice, which asks nothing.

`subject.Subject` is the interface of each to campaigns, with the sides `asking`, `answering` and `showing`. `kinds`
lists the kinds, and finds a subject by its kind and name.
"""
