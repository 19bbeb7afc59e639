"""Results of other programs, read from the files they leave, as tables that our gates count."""
