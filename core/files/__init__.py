"""Files that people bring and take: workbooks, delimited text, guarded CSV."""
