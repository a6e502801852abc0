"""``python -m deem``: the command line."""

from deem.cli import main

if __name__ == "__main__":
    main()
