"""The demo: real agents in processes of their own, sending to a running `spanruns up`, offline and without a key."""
