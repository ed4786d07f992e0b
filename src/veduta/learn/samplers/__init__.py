"""Which rows meet in a batch, and which of a row's texts is read."""
