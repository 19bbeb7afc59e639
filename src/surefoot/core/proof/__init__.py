"""What recorded runs say about an agent, before and after traffic."""
