"""What attacks ask for: the package's own objectives, a project's, and those of other tools' files."""
