"""Run the worker process: `python -m serve.worker DESCRIPTOR`."""

from serve.worker.process import main

main()
