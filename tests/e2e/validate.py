"""Validates documents against JSON Schemas: {schemas, jobs} on standard input, {name: fault} on standard output."""
import json
import sys

from jsonschema import Draft202012Validator

given = json.load(sys.stdin)
validators = {}
for name, schema in given["schemas"].items():
    Draft202012Validator.check_schema(schema)
    validators[name] = Draft202012Validator(schema)
faults = {}
for job in given["jobs"]:
    for error in validators[job["schema"]].iter_errors(job["document"]):
        faults[job["name"]] = f"{'/'.join(map(str, error.absolute_path))}: {error.message}"[:500]
        break
json.dump(faults, sys.stdout)
