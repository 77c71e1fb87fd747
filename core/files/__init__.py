"""Files that people import and export: workbooks, delimited text, guarded CSV."""
