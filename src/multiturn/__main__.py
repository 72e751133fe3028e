"""``python -m multiturn``: the command line, where its script is not on the path."""

from multiturn.apps.cli.main import entry

if __name__ == "__main__":
    entry()
