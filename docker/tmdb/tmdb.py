"""tmdb: put your program here. lockgen wrote this file once and does not touch it again."""

import argparse
import sys

import self_check


def main() -> int:
    parser = argparse.ArgumentParser(prog="tmdb", description="The tmdb stage.")
    parser.add_argument("--self-check", action="store_true", help="compare with the lock, import what is needed")
    arguments = parser.parse_args()
    if arguments.self_check:
        return self_check.run()
    parser.error("this stage has no program yet: write it in docker/tmdb/tmdb.py")


if __name__ == "__main__":
    sys.exit(main())
