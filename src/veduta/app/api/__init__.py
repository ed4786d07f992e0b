"""What the pages ask: a router a file, each under /api."""
