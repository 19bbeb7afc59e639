"""What must not leave: personal data found in text, and tokens put in its place."""
