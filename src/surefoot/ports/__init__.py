"""What surefoot needs from the world, one Protocol per need. Implementations live in `store` and `adapters`."""
