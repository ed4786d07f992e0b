"""`python -m veduta` is the `veduta` command."""

from veduta.cli import main

main()
