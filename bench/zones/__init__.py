"""The signed hierarchy: root, `bench.`, and below it zones of every kind the workloads need."""
