"""Random transactions of a documents table against a model: what was committed is what the API has in the end.

model.py      what the table must contain: a dict, with savepoints
judge.py      what the sandbox and the shadow tables must have for it
weather.py    what goes wrong: faults, interrupts, kills at a request
child.py      a process that writes one transaction, and may be killed
calm.py       the statements, and their rules without faults
stormy.py     the same with faults
"""
