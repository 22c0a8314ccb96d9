"""One module a command, each with `register(app)`; `spanruns_receiver.cli` finds them all."""
