"""The ground that everything stands on: settings, errors, addresses, the database, HTTP and files.

It imports nothing of ours.
"""
