"""Judges behind endpoints."""
