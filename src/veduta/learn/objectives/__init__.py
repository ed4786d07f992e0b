"""Objectives: small modules that turn embeddings of a batch into one number. All compute in float32."""
