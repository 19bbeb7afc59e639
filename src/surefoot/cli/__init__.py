"""surefoot on the command line."""
