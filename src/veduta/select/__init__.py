"""Selectors: which rows of a pool to keep, with a reason for every row left out."""
