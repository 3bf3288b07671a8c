"""What a caller decides, in frozen values that are described once.

privacy.py     what is promised
training.py    what is trained, and from where
evaluation.py  how a generator is measured
workspace.py   whose keys, which ledger and budget
old_names.py   keyword names of 0.1, and where they went

`privacy.execution.settings.Execution` is of their kind, and lies beside what it steers. The options
of commands are made from these values, with the texts of their docstrings (`cli.options`).
"""
