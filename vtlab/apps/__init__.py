"""Parts of the marimo apps: controls made from the settings, one clip dubbed again and again, blind listening tests.

The notebooks `debug.py` and `listen.py` lay them out.
"""
