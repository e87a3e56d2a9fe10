"""The OpenAPI file as this catalog serves it: without the optional prefix, which /v1/config does not ask for.

Also makes what the file's own examples name, so that not every answer is a 404.
"""

import json
import os
import pathlib
import re
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).parent
STATE = pathlib.Path(os.environ["LAKE_STATE"])


def post(path, body):
    request = urllib.request.Request(os.environ["LAKE_URL"] + path, data=json.dumps(body).encode(), method="POST")
    request.add_header("Authorization", "Bearer " + os.environ["LAKE_TOKEN"])
    request.add_header("Content-Type", "application/json")
    try:
        urllib.request.urlopen(request, timeout=30).read()
    except urllib.error.HTTPError as error:
        print(f"{path}: {error.code} {error.read()[:300]}")


text = (HERE / "iceberg-rest-catalog-open-api.yaml").read_text()
text = text.replace("/v1/{prefix}/", "/v1/")
text = re.sub(r"\n +- \$ref: '#/components/parameters/prefix'", "", text)
# A list of parameters that is empty by this is none.
text = re.sub(r"\n +parameters:(?=\n\n|\n +(get|post|head|delete):)", "", text)
# The file types some errors as the bare model; clients parse `{"error": {…}}`, as Apache's own server answers.
text = re.sub(r"(schema:\s+\$ref: '#/components/schemas/)ErrorModel'", r"\1IcebergErrorResponse'", text)
(STATE / "openapi.yaml").write_text(text)

post("/v1/databases/default/sql", {"sql": "CREATE TABLE orders (id integer PRIMARY KEY, region text)"})
post("/v1/databases/default/sql", {"sql": "INSERT INTO orders VALUES (1, 'north')"})
post("/iceberg/v1/namespaces", {"namespace": ["accounting"], "properties": {"owner": "Hank"}})
schema = {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "id", "type": "int", "required": True}]}
post("/iceberg/v1/namespaces/accounting/tables", {"name": "tax", "schema": schema})
