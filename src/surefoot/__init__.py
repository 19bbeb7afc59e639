"""Progressive delivery for AI agents."""
