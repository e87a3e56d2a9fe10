"""Runs the cases of a file: each function whose name begins with `case_`, in order; the name is the sentence that holds.

With `LAKE_OUTCOMES` the outcomes are written to that file too, and `LAKE_WORDS` chooses cases by a part of their names;
the first case is always run, because others stand on it.
"""

import inspect
import os
import sys
import time
import traceback


class NotRun(Exception):
    """A case says why it cannot be run."""


def write_outcome(verdict, name, reason=""):
    """Adds a line to the outcomes that the list of a suite is compared with."""
    file = os.environ.get("LAKE_OUTCOMES")
    if file:
        with open(file, "a", encoding="utf-8") as outcomes:
            outcomes.write(f"{verdict}\t{name}\t{' '.join(reason.split())[:300]}\n")


def chosen(functions):
    words = os.environ.get("LAKE_WORDS", "").split()
    return [each for at, each in enumerate(functions) if at == 0 or not words or any(w in each.__name__ for w in words)]


def run(module):
    """Prints a line a case and ends the process: 0 only if all hold."""
    functions = [each for name, each in module.items() if name.startswith("case_") and inspect.isfunction(each)]
    functions = chosen(functions)
    failed = 0
    for case in functions:
        name = case.__name__.removeprefix("case_").replace("_", " ")
        start = time.monotonic()
        try:
            case()
            print(f"  ok      {name} ({time.monotonic() - start:.2f} s)", flush=True)
            write_outcome("pass", name)
        except NotRun as reason:
            print(f"  not run {name}: {reason}", flush=True)
            write_outcome("skip", name, str(reason))
        except Exception as error:
            failed += 1
            write_outcome("fail", name, f"{type(error).__name__}: {error}")
            # The line of the case; of what an engine says, what a reader can take in.
            frames = [each for each in traceback.extract_tb(error.__traceback__) if each.name == case.__name__]
            where = f" at line {frames[-1].lineno}" if frames else ""
            said = str(error).split("Stack Trace")[0][:1500]
            print(f"  FAILED  {name}{where}\n{type(error).__name__}: {said}\n", flush=True)
    sys.exit(1 if failed or not functions else 0)


def equal(found, expected, who=""):
    """Fails with both sides, cut to what a reader can take in."""
    if found != expected:
        raise AssertionError(f"{who}\n  found    {str(found)[:1500]}\n  expected {str(expected)[:1500]}")


def refused(error_type, action):
    """The error that `action` raises; fails if it does not."""
    try:
        outcome = action()
    except error_type as error:
        return error
    raise AssertionError(f"not refused; the answer was {str(outcome)[:500]}")
