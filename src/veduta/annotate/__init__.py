"""Annotate: operations that add columns to a pool, one a file."""
