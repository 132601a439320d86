"""What the benchmarks share: databases of their own, a server, a cheap client, CPU accounts, rounds and tables."""
