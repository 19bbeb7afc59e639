"""What a CI system is told: its workflow files, its annotations, the comment under a pull request."""
