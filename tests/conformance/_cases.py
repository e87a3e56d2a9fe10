"""Runs the cases of a file: each function whose name begins with `case_`, in order; the name is the sentence that holds."""

import inspect
import sys
import time
import traceback


def run(module):
    """Prints a line a case and ends the process: 0 only if all hold."""
    functions = [each for name, each in module.items() if name.startswith("case_") and inspect.isfunction(each)]
    failed = 0
    for case in functions:
        name = case.__name__.removeprefix("case_").replace("_", " ")
        start = time.monotonic()
        try:
            case()
            print(f"  ok      {name} ({time.monotonic() - start:.2f} s)", flush=True)
        except Exception as error:
            failed += 1
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
