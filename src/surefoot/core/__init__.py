"""What surefoot decides, as pure functions of values: no IO, no clock, no chance, no environment, no log."""
