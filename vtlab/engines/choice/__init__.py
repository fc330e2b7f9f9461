"""Which engines do the work: the way through translators, and the voices."""
