"""Foundations that every room stands on. Import its modules by name; this file exports nothing."""
