"""Programs that are never run: type checkers say what is wrong with them, and of nothing else."""
