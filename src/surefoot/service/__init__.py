"""Load, decide, commit, act. Knows the core and the ports, nothing else."""
