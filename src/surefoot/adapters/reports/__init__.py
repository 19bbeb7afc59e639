"""What a proof found, for machines and for people: JSON documents, JUnit, a page, a pull request's comment."""
