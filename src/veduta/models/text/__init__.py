"""Text towers: from strings to vectors, with vocabularies learned from the training texts."""
