"""The `lockgen` command, and ``python -m lockgen``."""

import signal


def main() -> None:
    """Run the command line and exit with its exit code."""
    # Ctrl-C while modules are imported ends the process silently, instead of with a traceback. A shell may have SIGINT
    # ignored, and then it stays so.
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from lockgen.cli import main as run

    signal.signal(signal.SIGINT, handler)
    run()


if __name__ == "__main__":
    main()
