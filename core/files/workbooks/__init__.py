"""XLSX, ODS and XLS files, read sparsely and, because strangers wrote them, in a process with little memory.

`reader` is that process; `core.files.spreadsheets` starts it and reads what it writes. A cell is the text people
see. Three things that look alike are told apart: an empty cell, an error (`#N/A`), and a formula without a result.
"""
