"""Sessions: which of them wait, run and end, what their clients are told, and what outlives a restart."""
