"""Foundations every room stands on. Import its modules by name; the package itself exports nothing."""
