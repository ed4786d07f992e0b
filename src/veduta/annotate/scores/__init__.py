"""Scores of images and texts: heads on embeddings, safety, watermarks, toxicity, language."""
