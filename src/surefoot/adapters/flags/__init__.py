"""Feature flags of other systems, as something that assigns the arms of an experiment."""
