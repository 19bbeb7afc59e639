"""Where many independent jobs run: on this machine's processors, later on others."""
