"""The master: MBusMaster and what its reads return."""
