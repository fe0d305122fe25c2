"""A real Slurm of three nodes, PostgreSQL, an MLflow server and Dask on this machine: `make test-cluster`."""
