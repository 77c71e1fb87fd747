"""Member files: columns, rows, staging, the import and its report."""
