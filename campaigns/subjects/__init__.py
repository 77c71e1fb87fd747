"""Subjects: what campaigns ask about. A ballot, or a notice, about which nothing is asked.

`subject.Subject` is what each offers to campaigns; `kinds` has them all, and finds one by its kind and name.
"""
