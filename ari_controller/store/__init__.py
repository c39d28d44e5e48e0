"""SQLite: the ledger, calls, recordings, the do-not-record register. One process writes."""
