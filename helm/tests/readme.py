"""The table of values in README.md, from the comments of values.yaml."""

import json
import re

import chart

BEGIN, END = "<!-- values: written by helm/tests/run --update -->", "<!-- end of values -->"
README = chart.CHART / "README.md"


def comments():
    """What values.yaml says of each value: path to text."""
    found, path, text = {}, [], None
    for line in (chart.CHART / "values.yaml").read_text().splitlines():
        begin = re.match(r" *# -- (.*)", line)
        key = re.match(r"( *)([A-Za-z]+):", line)
        if begin:
            text = begin[1]
        elif key:
            path[len(key[1]) // 2 :] = [key[2]]
            if text:
                found[".".join(path)] = text
            text = None
    return found


def leaves(values, told, path=()):
    """The values that are told of, or have nothing below them: path and value."""
    for key, value in values.items():
        here = (*path, key)
        name = ".".join(here)
        if name not in told and isinstance(value, dict) and value:
            yield from leaves(value, told, here)
        else:
            yield name, value


def table():
    told = comments()
    rows = ["| value | default | what it is |", "|---|---|---|"]
    for name, value in leaves(chart.defaults(), told):
        text = told.get(name, "").replace("|", "\\|")
        default = json.dumps(value, ensure_ascii=False).replace("|", "\\|")
        rows.append(f"| `{name}` | `{default}` | {text} |")
    return "\n".join(rows)


def parts():
    """What stands before the table, the table, and what stands after it."""
    before, rest = README.read_text().split(BEGIN)
    middle, after = rest.split(END)
    return before, middle.strip(), after


def write():
    before, _, after = parts()
    README.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}")
