"""Table: the pieces of a benchmark as rows, rows of earlier results beside them, and all of it for people."""
