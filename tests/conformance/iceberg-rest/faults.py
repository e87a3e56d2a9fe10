"""Runs a program with a proxy before the catalog whose faults are chosen by the address.

`{LAKE_FAULTS}/repeat/changes/iceberg` sends every change twice and gives the second answer, `{LAKE_FAULTS}/repeat/commits/…`
only commits of tables; `{LAKE_FAULTS}/drop/…` lets them be made and ends the connection without an answer.
"""

import os
import subprocess
import sys

from _faults import Proxy

FAULTS = ("drop", "repeat")


class ByAddress(Proxy):
    def fault_of(self, method, path):
        _, fault, what, rest = path.split("/", 3)
        parts = rest.split("?")[0].split("/")
        is_commit = method == "POST" and parts[-2] == "tables" and parts[-1] != "rename"
        is_change = method in ("POST", "DELETE") and parts[-1] not in ("metrics", "plan", "tasks")
        if not (is_commit or (what == "changes" and is_change)):
            return None
        self.seen.append(fault)
        return fault

    def forward(self, handler, body):
        parts = handler.path.split("/", 3)
        if parts[1] in FAULTS:
            handler.path = "/" + parts[3]
        return super().forward(handler, body)


proxy = ByAddress(os.environ["LAKE_URL"])
code = subprocess.run(sys.argv[1:], env={**os.environ, "LAKE_FAULTS": proxy.url}).returncode
if missing := set(FAULTS) - set(proxy.seen):
    print(f"no request met the faults {missing}", file=sys.stderr)
    code = 2
sys.exit(code)
