"""Stock DuckDB for a run of kills: one JSON request a line in, one JSON answer a line out.

`{"attach": true}` connects to the lake anew, as after a restart of it; `{"sql": "…"}` asks. An answer is
`{"rows": [[…]]}` with values as text, or `{"error": "…"}`.
"""

import json
import pathlib
import signal
import sys

# Ctrl-C is for the run, which then closes this process's input.
signal.signal(signal.SIGINT, signal.SIG_IGN)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "conformance"))

from _clients import attach, open_duckdb, plain_rows  # noqa: E402


def main():
    connection = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request.get("attach"):
                if connection is not None:
                    connection.close()
                connection = open_duckdb()
                attach(connection)
                answer = {"rows": []}
            else:
                answer = {"rows": plain_rows(connection.execute(request["sql"]).fetchall())}
        except Exception as error:  # Whatever the engine raises is for the run to judge.
            answer = {"error": f"{type(error).__name__}: {str(error).split('Stack Trace')[0]}"}
        print(json.dumps(answer), flush=True)


main()
