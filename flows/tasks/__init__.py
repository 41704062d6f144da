"""Tasks: the steps of a retrain; each leaves a folder named by what it was made from."""
