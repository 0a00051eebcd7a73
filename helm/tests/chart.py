"""The chart, rendered as Helm renders it, for the tests beside this file. Run by itself, it accepts new renders."""

import functools
import json
import pathlib

import helm_python as helm
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/perennial"
SNAPSHOTS = ROOT / "helm/tests/snapshots"
EXAMPLES = {path.stem: path for path in sorted((CHART / "ci").glob("*.yaml"))}

HOOK = "helm.sh/hook"
COMPONENT = "app.kubernetes.io/component"
SERVICES = ["catalog", "renewal", "scheduler", "wallet"]


class Strict(yaml.CSafeLoader):
    """Refuses a key that is there twice, which YAML forbids and PyYAML lets pass."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"twice: {twice}", node.start_mark)
        return super().construct_mapping(node, deep)


def load(text):
    return yaml.load(text, Loader=Strict)


def values(example):
    return load(EXAMPLES[example].read_text())


def defaults():
    return load((CHART / "values.yaml").read_text())


def schema():
    return json.loads((CHART / "values.schema.json").read_text())


def merged(base, override):
    """`base` with what `override` says, as Helm puts values together."""
    if not (isinstance(base, dict) and isinstance(override, dict)):
        return override
    keys = {**base, **override}
    return {key: merged(base.get(key), override[key]) if key in override else base[key] for key in keys}


def texts(values, **kwargs):
    """What each template gives, without those that give nothing."""
    return rendered(json.dumps(values), **kwargs)


@functools.cache
def rendered(values, name="perennial", namespace="billing", **kwargs):
    with helm.Chart.load(str(CHART)) as chart:
        values = json.loads(values)
        chart.validate_schema(values)
        found = chart.render(values, name=name, namespace=namespace, **kwargs)
    return {path: text for path, text in sorted(found.items()) if text.strip()}


def objects(values, **kwargs):
    """The objects that are rendered."""
    return json.loads(parsed(json.dumps(values), **kwargs))


@functools.cache
def parsed(values, **kwargs):
    found = []
    for path, text in rendered(values, **kwargs).items():
        if not path.endswith("NOTES.txt"):
            found += [document for document in yaml.load_all(text, Loader=Strict) if document]
    return json.dumps(found)


def refused(values):
    """Why the chart refuses `values`; nothing if it does not."""
    with helm.Chart.load(str(CHART)) as chart:
        try:
            chart.validate_schema(values)
        except helm.HelmValuesError as error:
            return str(error)
    return ""


def of_kind(objects, *kinds):
    return [document for document in objects if document["kind"] in kinds]


def component(document):
    return document["metadata"]["labels"][COMPONENT]


def by_component(objects, kind):
    return {component(document): document for document in of_kind(objects, kind)}


def pod_of(document):
    """The pod that `document` makes, with its labels; nothing where it makes none."""
    if document["kind"] == "Pod":
        return document
    if document["kind"] == "CronJob":
        return document["spec"]["jobTemplate"]["spec"]["template"]
    if document["kind"] in ("Deployment", "StatefulSet", "Job"):
        return document["spec"]["template"]
    return None


def pods(objects):
    """Each pod, with the object that makes it."""
    return [(document, pod_of(document)) for document in objects if pod_of(document)]


def containers(pod):
    return pod["spec"].get("initContainers", []) + pod["spec"]["containers"]


def environment(container):
    """Its variables: a text, or where the text comes from."""
    pairs = [(entry["name"], entry.get("value", entry.get("valueFrom"))) for entry in container.get("env", [])]
    assert len(pairs) == len(dict(pairs)), f"a variable is there twice: {pairs}"
    return dict(pairs)


def snapshot(example):
    """The whole render of an example, as it is kept."""
    parts = [f"### {path}\n{text.strip()}\n" for path, text in texts(values(example)).items()]
    lines = "\n".join(parts).splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


def main():
    import readme

    for example in EXAMPLES:
        (SNAPSHOTS / f"{example}.yaml").write_text(snapshot(example))
    readme.write()


if __name__ == "__main__":
    main()
