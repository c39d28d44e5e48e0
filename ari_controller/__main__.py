"""`python -m ari_controller` is the command `ari-controller`."""

from ari_controller.cli.main import main

main()
