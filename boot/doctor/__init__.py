"""`doorito doctor`: looks at a deployment and says what to do (docs/doctor.md).

Each module asks one thing: a thin shell gathers facts, a pure function turns them into findings.
Nothing here needs Django; `boot.doctor.database`, which does, runs in a process of its own.
"""
