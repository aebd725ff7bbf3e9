"""Commits of 20 creates that are killed or interrupted at random moments: what the server saw is in the ledger.

server.py    creates batches, and notes each create as soon as it has read it
child.py     the process of one trial, which commits and says what came of it
trials.py    starts the trials, sends the signals, and judges
"""
