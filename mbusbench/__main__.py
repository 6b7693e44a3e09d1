"""`python -m mbusbench` is the command `mbusbench`."""

from mbusbench.cli.main import main

if __name__ == "__main__":
    main()
