"""The history: ClickHouse, in the process or on a server, behind one protocol."""
