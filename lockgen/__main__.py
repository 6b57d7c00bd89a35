"""The `lockgen` command, and ``python -m lockgen``."""

import atexit
import gc
import signal


def main() -> None:
    """Run the command line and exit with its exit code."""
    # Ctrl-C while modules are imported ends the process silently, instead of with a traceback. A shell may have SIGINT
    # ignored, and then it stays so.
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _collect_seldom()
    from lockgen.cli import main as run

    signal.signal(signal.SIGINT, handler)
    run()


def _collect_seldom() -> None:
    """Let Python look for cycles of garbage seldom: commands are short, and hardly make any.

    It would look after 700 new objects, and again at the end of the process, at all of them. `resolve` took 5 % more
    processor time, and not less memory.
    """
    gc.set_threshold(100_000, 20, 20)
    # The end of the process looks at no frozen object.
    atexit.register(gc.freeze)


if __name__ == "__main__":
    main()
