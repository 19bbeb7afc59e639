"""Translations to the outside world, each named after what it depends on."""
