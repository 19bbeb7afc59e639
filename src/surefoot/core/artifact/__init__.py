"""An agent version as one immutable, content-addressed artifact."""
