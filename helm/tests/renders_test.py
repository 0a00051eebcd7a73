"""What Helm and Kubernetes say of the renders."""

import functools
import os
import tempfile
import unittest

import helm_python as helm
import kubernetes_validate

import chart

# The oldest that Chart.yaml allows, and the newest whose schemas there are.
KUBERNETES = ["1.27", "1.37"]

# What is not of Kubernetes itself, and what its objects may say: names of the fields that we use.
FOREIGN = {
    "Certificate": ("cert-manager.io/v1", {"secretName", "duration", "renewBefore", "privateKey", "usages", "dnsNames", "issuerRef"}),
    "ServiceMonitor": ("monitoring.coreos.com/v1", {"selector", "endpoints"}),
    "PrometheusRule": ("monitoring.coreos.com/v1", {"groups"}),
}

# It reads megabytes of schema for every object.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)


class Renders(unittest.TestCase):
    def test_lint_has_nothing_to_say(self):
        for example in [None, *chart.EXAMPLES]:
            for version in KUBERNETES:
                with self.subTest(example=example, version=version):
                    values = chart.values(example) if example else {"image": {"repository": "perennial"}, "insecure": True}
                    report = helm.lint(str(chart.CHART), values, strict=True, kube_version=f"{version}.0")
                    found = [message for message in report["messages"] if "icon is recommended" not in message["error"]]
                    self.assertEqual(([], []), (report["errors"], found))

    def test_every_manifest_is_one_of_kubernetes(self):
        for example in chart.EXAMPLES:
            for document in chart.objects(chart.values(example)):
                if document["kind"] in FOREIGN:
                    version, fields = FOREIGN[document["kind"]]
                    self.assertEqual(({"apiVersion", "kind", "metadata", "spec"}, version), (set(document), document["apiVersion"]))
                    self.assertEqual(fields, set(document["spec"]))
                    continue
                for version in KUBERNETES:
                    with self.subTest(example=example, kind=document["kind"], version=version):
                        kubernetes_validate.validate(document, version, strict=True)

    def test_the_oldest_kubernetes_is_the_one_that_the_chart_allows(self):
        allowed = chart.load((chart.CHART / "Chart.yaml").read_text())["kubeVersion"]
        self.assertEqual(f">={KUBERNETES[0]}.0-0", allowed)

    def test_renders_are_what_they_were(self):
        for example in chart.EXAMPLES:
            with self.subTest(example=example):
                kept = (chart.SNAPSHOTS / f"{example}.yaml").read_text()
                self.assertTrue(kept == chart.snapshot(example), "changed: look at it, then `helm/tests/run --update`")
        self.assertEqual(set(chart.EXAMPLES), {path.stem for path in chart.SNAPSHOTS.iterdir()})

    def test_an_image_must_be_named(self):
        with self.assertRaisesRegex(helm.HelmError, "image.repository is needed"):
            chart.texts({"insecure": True})

    def test_an_upgrade_renders_what_an_install_does(self):
        for example in chart.EXAMPLES:
            values = chart.values(example)
            self.assertEqual(chart.objects(values), chart.objects(values, is_upgrade=True, revision=2))

    def test_names_are_unique_and_fit_however_long_the_release_is_called(self):
        for name, override in [("perennial", ""), ("r" * 53, ""), ("x", "y" * 63)]:
            for example in chart.EXAMPLES:
                values = chart.merged(chart.values(example), {"fullnameOverride": override})
                names = [(found["kind"], found["metadata"]["name"]) for found in chart.objects(values, name=name)]
                self.assertEqual(len(names), len(set(names)))
                # A CronJob's adds eleven letters to those of its pods.
                longest = max(len(found) + (11 if kind == "CronJob" else 0) for kind, found in names)
                self.assertLessEqual(longest, 63)

    def test_two_releases_in_one_namespace_share_nothing(self):
        one, other = (
            {(found["kind"], found["metadata"]["name"]) for found in chart.objects(chart.values("ha"), name=name)}
            for name in ("perennial", "second")
        )
        self.assertFalse(one & other)

    def test_the_package_has_no_examples_and_no_tests_of_ours(self):
        with tempfile.TemporaryDirectory() as folder:
            archive = helm.package(str(chart.CHART), destination=folder)
            helm.expand(folder, archive)
            packed = {entry.name for entry in os.scandir(os.path.join(folder, "perennial"))}
        self.assertEqual({"Chart.yaml", "README.md", "files", "templates", "values.schema.json", "values.yaml"}, packed - {".helmignore"})
