"""Subjects: what campaigns are about. A ballot, a question, or a notice, which asks nothing.

`subject.Subject` is what each offers to campaigns, by its sides `asking`, `answering` and `showing`; `kinds` has them
all, and finds one by its kind and name.
"""
