"""The life of a rollout: one table, one audit trail, one calendar."""
