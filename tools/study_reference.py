#!/usr/bin/env python3
"""Writes the tables of docs/study-file.md from the program's own field tables, or checks that they are fresh.

usage: study_reference.py [--check] LLEM PAGE

The schema of a study file says what there is; the plan of a study that names a model alone says the defaults. What stands
between `<!-- fields: NAME -->` and `<!-- end -->` is written here, the rest of the page by hand.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TEST_ENGINE = "scripted"
SECTION = re.compile(r"(<!-- fields: (\w+) -->\n).*?(<!-- end -->)", re.S)
# The description says the default, because it depends on the machine or on another field.
SAYS_DEFAULT = re.compile(r"\(default|\(full ")
# These span the space of points; what they may hold is no list of fields.
SPACE = ("sweep", "zip", "variants", "exclude", "include", "experiments")
PLURAL = {"string": "texts", "integer": "integers", "number": "numbers", "boolean": "booleans", "object": "maps",
          None: "values"}


def schema_of(llem):
    done = subprocess.run([llem, "config", "schema", "study"], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def defaults_of(llem):
    """Every value that a study has which says nothing but its model."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "study.yaml")
        path.write_text("model: smollm2-135m\n")
        own = {name: folder for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "LLEM_RESULTS_DIR")}
        done = subprocess.run([llem, "run", str(path), "--dry-run", "--json"], check=True, capture_output=True, text=True,
                              env={**os.environ, **own, "HF_HUB_OFFLINE": ""}, cwd=folder)
    plan = json.loads(done.stdout)["plan"]
    return {**plan["configurations"][0], "study": plan["study"], "model": {}}


class Reference:
    def __init__(self, schema, defaults):
        self.schema = schema
        self.defaults = defaults

    def resolved(self, field):
        """(the field without null and references, its short form if it has one)"""
        if "anyOf" in field and {"type": "null"} in field["anyOf"]:
            (inner,) = [form for form in field["anyOf"] if form != {"type": "null"}]
            return self.resolved(inner)
        if "$ref" in field:
            return self.resolved(self.schema["$defs"][field["$ref"].rsplit("/", 1)[1]])
        if "anyOf" in field:
            short, whole = field["anyOf"]
            return whole, short
        return field, None

    def rows(self, path, field, default, said, required):
        inner, short = self.resolved(field)
        description = field.get("description", "")
        said = said or SAYS_DEFAULT.search(description) is not None
        value = words(inner, field.get("x-unit")) if short is None else words(self.resolved(short)[0]) + ", or map"
        yield path, value, "required" if required else "" if said else shown(default), description
        for name, below in inner.get("properties", {}).items():
            if path == "deploy" and name == TEST_ENGINE:
                continue
            value = default.get(name) if isinstance(default, dict) else None
            yield from self.rows(f"{path}.{name}", below, value, said, name in inner.get("required", ()))

    def table(self, name):
        names = SPACE if name == "space" else ("name", "base") if name == "file" else (name,)
        lines = ["| field | value | default | meaning |", "|---|---|---|---|"]
        for top in names:
            for path, value, default, meaning in self.rows(top, self.schema["properties"][top],
                                                           self.defaults.get(top), top in ("name", "base", *SPACE),
                                                           top in self.schema["required"]):
                cells = (f"`{path}`", value, default, meaning)
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        return "\n".join(lines) + "\n"


def kind(field):
    name = field.get("type")
    return next(part for part in name if part != "null") if isinstance(name, list) else name


def bounds(field, unit):
    """", 1 to 10", ", above 0", with the unit after it."""
    low, above, high = (field.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if low is not None and high is not None:
        text = f"{low} to {high}"
    elif above is not None:
        text = f"above {above}" + (f", at most {high}" if high is not None else "")
    else:
        text = f"{low} or more" if low is not None else ""
    return "".join(f", {part}" for part in (text, unit) if part)


def words(field, unit=None):
    if "enum" in field:
        return ", ".join(f"`{word}`" for word in field["enum"] if word != TEST_ENGINE)
    name = kind(field)
    if name == "array":
        items = field["items"]
        exact = f" {field['minItems']}" if "minItems" in field and field.get("minItems") == field.get("maxItems") else ""
        what = f"list of{exact} {PLURAL[kind(items)]}"
        return what + (": " + words(items) if "enum" in items else "")
    if name == "object":
        values = field.get("additionalProperties")
        return f"map of names to {PLURAL[kind(values)]}" if isinstance(values, dict) else "map"
    if "minLength" in field and field["minLength"] == field.get("maxLength"):
        return f"text of {field['minLength']} characters"
    return {"string": "text", "boolean": "`true` or `false`", None: "any value"}.get(name, name) + bounds(field, unit)


def shown(value):
    """A default in YAML's own words; sections have none of their own."""
    if value is None or isinstance(value, (dict, list)):
        return ""
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def main(arguments):
    check = "--check" in arguments
    llem, page = [a for a in arguments if a != "--check"]
    page = pathlib.Path(page)
    schema = schema_of(os.path.abspath(llem))
    reference = Reference(schema, defaults_of(os.path.abspath(llem)))
    before = page.read_text(encoding="utf-8")
    sections = {name for _, name, _ in SECTION.findall(before)}
    missing = set(schema["properties"]) - sections - ({*SPACE} if "space" in sections else set()) \
        - ({"name", "base"} if "file" in sections else set())
    if missing:
        print(f"{page} has no table of {', '.join(sorted(missing))}")
        return 1
    after = SECTION.sub(lambda found: found[1] + reference.table(found[2]) + found[3], before)
    if not check:
        page.write_text(after, encoding="utf-8")
    elif after != before:
        print(f"{page} is not what the program says (make schema)")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
