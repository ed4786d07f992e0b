"""The verb `learn`: one loader, one trainer, and the published systems as small objectives, samplers and recipes on them."""
