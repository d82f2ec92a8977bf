"""The commands: one module each, with ``add_parser`` and ``run``.

A command reads its flags, puts rooms together and prints; it decides nothing about
gas. ``cli.py`` names them and turns errors into exit codes.
"""
