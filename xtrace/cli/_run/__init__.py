"""The folder that `xtrace run` puts into PYTHONPATH; nothing else may stand in it."""
