"""Other ways to do what `clinray ingest` does, each a program of its own.

Every peer takes the same arguments and writes the same flat columns, those that a de-identified research extract of
MSH, PID, PV1 and OBX needs. None of them does what the audited lake does beyond that: they write no other columns, no
lineage, no findings, no quarantine rows, no hashes and no log.
"""
