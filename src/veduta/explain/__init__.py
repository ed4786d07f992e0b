"""The lens on models: what moves their answers."""
