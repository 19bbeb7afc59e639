"""What a file may say (raw) becomes what is true (valid), once."""
