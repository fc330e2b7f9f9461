"""Results for people: in a terminal, as pages, as tables of a notebook."""
