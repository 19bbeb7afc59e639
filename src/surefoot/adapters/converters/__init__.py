"""Other tools' recordings as traces. What they did not record stays null; nothing is guessed."""
