"""The search for secondary addresses: a procedure that splits masks until each has one slave."""
