"""Metrics, alerts and the dashboard, against each other, the program and the guide."""

import json
import re
import unittest

import promql_parser

import chart
import readme
from program_test import files

# What Prometheus and the ServiceMonitor put on what the program tells.
OF_TARGETS = {"namespace", "release", "component", "pod", "le"}


# Literals of the source that begin as metrics do, and are none: what ids are made of.
NO_METRICS = {"perennial.rs", "perennial.webhook", "perennial.attempt", "perennial.payment", "perennial.refund", "perennial.withdrawal", "perennial.delivery"}


def texts(*folders):
    return [path.read_text() for path in files(*folders)]


def rules():
    [found] = chart.of_kind(chart.objects(chart.values("ha")), "PrometheusRule")
    [group] = found["spec"]["groups"]
    return group["rules"]


def dashboard():
    objects = chart.of_kind(chart.objects(chart.values("ha")), "ConfigMap")
    [found] = [found["data"]["perennial.json"] for found in objects if "perennial.json" in found["data"]]
    return json.loads(found)


def queries():
    """Every expression, as it would be asked."""
    found = [rule["expr"] for rule in rules()]
    for panel in dashboard()["panels"]:
        found += [target["expr"].replace("$__rate_interval", "5m") for target in panel["targets"]]
    return found


def instruments():
    """What the program measures: its name in Prometheus, and the words of its source for it."""
    found = {}
    for text in texts("libs", "services"):
        # What makes several of one kind is put in place of its calls.
        for name, maker in re.findall(r"let (\w+) = \|name, about\| \{?\s*meter\s*\.(\w+)\(name\)", text):
            text = re.sub(rf'\b{name}\((?=\s*"perennial\.)', f"{maker}(", text)
        for kind, name, rest in re.findall(r'_(counter|gauge|histogram)\(\s*"(perennial\.[a-z_.]+)"(?=([^;]*))', text):
            own = rest.split('"perennial.')[0]
            seconds = "_seconds" if '.with_unit("s")' in own else ""
            total = "_total" if kind == "counter" else ""
            found[name] = (name.replace(".", "_") + seconds + total, kind, text)
    return found


def told():
    """What ARCHITECTURE.md says is measured: its name in Prometheus, and its attributes."""
    section = (chart.ROOT / "ARCHITECTURE.md").read_text().split("\n## Telemetry\n")[1].split("\n## ")[0]
    found = {}
    for cell in re.findall(r"^\| (`perennial\..*?) \|", section, re.M):
        before = ""
        for name, said in re.findall(r"`(\.?[a-z_.]+)`(?: \(([^)]*)\))?", cell):
            # The end of a name stands for a name that begins as the one before.
            name = before.rsplit(".", name.count("."))[0] + name if name.startswith(".") else name
            before = name
            found[name] = ("s" == said.split(";")[0].strip(), set(re.findall(r"`(\w+)`", said)))
    return found


def selected(query):
    """Each metric that a query asks for, and the labels that it names beside it."""
    return [(name, set(re.findall(r'(\w+)(?:=~|!~|!=|=)"', labels))) for name, labels in re.findall(r"\b(perennial_[a-z_]+)(\{[^}]*\}|)", query)]


def grouped(query):
    """Labels by which a query sums up."""
    return {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", query) for label in labels.split(",")}


class Monitoring(unittest.TestCase):
    def test_expressions_can_be_parsed(self):
        for query in queries():
            with self.subTest(query=query):
                promql_parser.parse(query)

    def test_metrics_are_those_that_the_program_has_and_all_are_looked_at(self):
        known = {name: kind for name, kind, _ in instruments().values()}
        self.assertEqual(set(), set(re.findall(r'"(perennial\.[a-z_.]+)"', "".join(texts("libs", "services")))) - set(instruments()) - NO_METRICS)
        asked = set()
        for query in queries():
            for name, _ in selected(query):
                histogram = re.sub("_(bucket|count|sum)$", "", name)
                name = histogram if known.get(histogram) == "histogram" else name
                self.assertIn(name, known, query)
                asked.add(name)
        self.assertEqual(set(known), asked)

    def test_metrics_are_told_of_with_the_labels_by_which_they_are_asked_for(self):
        found, described = instruments(), told()
        self.assertEqual(set(found), set(described))
        labels = {}
        for name, (spelt, kind, text) in found.items():
            seconds, attributes = described[name]
            self.assertEqual(spelt.removesuffix("_total").endswith("_seconds"), seconds, name)
            self.assertLessEqual(attributes, set(re.findall(r'KeyValue::new\("(\w+)"', text)), name)
            for suffix in ("_bucket", "_count", "_sum") if kind == "histogram" else ("",):
                labels[spelt + suffix] = attributes
        for query in queries():
            for name, named in selected(query):
                self.assertLessEqual((named | grouped(query)) - OF_TARGETS, labels[name], query)

    def test_values_that_are_asked_for_are_those_of_the_source(self):
        program = "".join(texts("libs", "services"))
        for query in queries():
            for values in re.findall(r'\b(?:state|outcome|code)=~?"([^"]+)"', query):
                for value in values.split("|"):
                    self.assertIn(f'"{value}"', program, query)

    def test_alerts_are_of_this_release_alone(self):
        for rule in rules():
            with self.subTest(alert=rule["alert"]):
                for metric in re.findall(r"\b(?:up|perennial_[a-z_]+)(\{[^}]*\}|)", rule["expr"]):
                    self.assertIn('namespace="billing", release="perennial"', metric)
                self.assertNotRegex(rule["expr"], "SELECTOR|NAME")

    def test_targets_have_the_labels_that_alerts_ask_for(self):
        [monitor] = chart.of_kind(chart.objects(chart.values("ha")), "ServiceMonitor")
        [endpoint] = monitor["spec"]["endpoints"]
        self.assertEqual({"component", "release"}, {relabeling["targetLabel"] for relabeling in endpoint["relabelings"]})
        self.assertEqual("ops", endpoint["port"])
        for service in chart.of_kind(chart.objects(chart.values("ha")), "Service"):
            self.assertLessEqual(monitor["spec"]["selector"]["matchLabels"].items(), service["metadata"]["labels"].items())
            named = {port["name"] for port in service["spec"]["ports"]}
            # Else each pod would be asked twice.
            self.assertEqual(service["metadata"]["name"].endswith("-headless"), endpoint["port"] in named)

    def test_every_alert_says_how_bad_it_is_and_stands_in_the_guide(self):
        names = [rule["alert"] for rule in rules()]
        self.assertEqual(len(names), len(set(names)))
        for rule in rules():
            self.assertIn(rule["labels"]["severity"], ("critical", "warning"))
            self.assertTrue(rule["annotations"]["summary"])
        guide = readme.README.read_text().split("\n## Alerts\n")[1].split("\n## ")[0]
        parts = re.findall(r"^### (\w+)\n\n(.+?)\n\n(?=###|\Z)", guide + "\n\n", re.M | re.S)
        self.assertEqual(names, [name for name, _ in parts])
        for name, text in parts:
            self.assertGreater(len(text), 200, name)

    def test_labels_by_which_they_are_found_can_be_said(self):
        objects = chart.objects(chart.values("ha"))
        for document in chart.of_kind(objects, "ServiceMonitor", "PrometheusRule"):
            self.assertEqual("company", document["metadata"]["labels"]["prometheus"])

    def test_nothing_of_it_is_made_unless_it_is_said(self):
        objects = chart.objects(chart.values("minimal"))
        self.assertFalse(chart.of_kind(objects, "ServiceMonitor", "PrometheusRule", "ConfigMap"))

    def test_panels_say_what_they_show(self):
        panels = dashboard()["panels"]
        self.assertEqual(len(panels), len({panel["id"] for panel in panels}))
        for panel in panels:
            self.assertTrue(panel["description"].endswith("."), panel["title"])
            for target in panel["targets"]:
                self.assertIn('namespace="$namespace", release="$release"', target["expr"])
