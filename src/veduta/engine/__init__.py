"""The engine: runs operations over a pool; decodes each image once, commits as it goes, resumes after a crash."""
