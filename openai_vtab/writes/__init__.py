"""The writes of the open transaction: checked and queued by INSERT, UPDATE and DELETE, sent when SQLite commits.

queue.py            WriteQueue: what belongs to the open transaction, and what SQLite has undone of it
write.py            Write: one row's request, its state, and the table of states
order.py            which requests must wait for which
intent_logs.py      the intents of the open transaction, and of those that are over
doubts.py           whether SQLite may have undone rows without saying so
savepoints.py       which writes came after which savepoint
write_sender.py     writes the intents down, and sends one flush of the queue
delivery.py         Delivery: one flush, sent concurrently; survives interrupts
pending_results.py  what is done and not yet recorded in a ledger
outcome.py          whether a failed request may have been carried out, and the exception that says so
settlement.py       ledgers learn what transactions that are gone have created

>>> queue.add(Write(request, rowid=1, parse=parse_object))     # INSERT
>>> queue.flush()                                              # COMMIT
"""
