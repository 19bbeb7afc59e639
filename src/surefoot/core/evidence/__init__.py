"""What was seen, and whether it proves harm or the absence of it."""
