"""The demo's services: programs like anybody's, instrumented by `import spanruns.auto` and nothing else."""
