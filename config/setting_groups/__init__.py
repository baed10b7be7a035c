"""The settings by what they are about: each file holds the fields of one group and their rules.

`config/settings.py` puts the groups together and reads them; take `Settings` from there. A group
that looks at the settings of another one inherits it.
"""
