# Holds compose files against the published schema, and says each document of YAML files as a line of JSON.
#
#     judge.py compose.yaml …
#
# The schema is of 2021 and does not know `name` yet; all else that it forbids is forbidden still.
import importlib.util
import json
import pathlib
import sys

import jsonschema
import yaml

compose = pathlib.Path(importlib.util.find_spec("compose").origin).parent
schema = json.loads((compose / "config" / "compose_spec.json").read_text())
wrong = False
for name in sys.argv[1:]:
    for document in yaml.safe_load_all(pathlib.Path(name).read_text()):
        print(json.dumps(document))
        if "services" in document:
            known = {key: value for key, value in document.items() if key != "name"}
            for error in jsonschema.Draft7Validator(schema).iter_errors(known):
                print(f"{name}: {list(error.path)}: {error.message}", file=sys.stderr)
                wrong = True
sys.exit(wrong)
