"""Small programs that run on the official SDK and on the layer; what they send and see is compared.

`runner.py` runs them all on one of the two, each in a process of its own. It and the programs import
nothing of pytest or of xtrace's tests: they run where the official SDK is installed.
"""
