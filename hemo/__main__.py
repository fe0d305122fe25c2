"""`python -m hemo` is the command `hemo`."""

from hemo.cli import main

main(prog_name="hemo")
