"""
The composition root: settings become resources, services, routes and processes.

The only package that knows every room. Nothing imports it but the command line.
"""
