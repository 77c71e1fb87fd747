"""Foundation of all packages: settings, errors, addresses, the database, HTTP and files.

Imports none of our other packages.
"""
