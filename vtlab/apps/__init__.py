"""What the marimo apps do: controls made from the settings, one clip dubbed again and again, blind listening tests.

The notebooks ``debug.py`` and ``listen.py`` lay out what is made here.
"""
