"""Named quirks of real meters: what one is, the table of all, and how a file lists them."""
