"""Where secrets are, what hooks need, and what points at what."""

import re
import unittest

import chart

SECRET = re.compile("(DATABASE_URL|SECRET|PASSWORD|TOKEN|CREDENTIALS|PRIVATE_KEY)$")


def referred(pod):
    """What a pod refers to: kind and name."""
    spec = pod["spec"]
    yield "ServiceAccount", spec["serviceAccountName"]
    for volume in spec.get("volumes", []):
        for source in [volume, *volume.get("projected", {}).get("sources", [])]:
            if "secret" in source:
                yield "Secret", source["secret"].get("name") or source["secret"]["secretName"]
            if "configMap" in source:
                yield "ConfigMap", source["configMap"]["name"]
    for container in chart.containers(pod):
        for value in chart.environment(container).values():
            if isinstance(value, dict) and "secretKeyRef" in value:
                yield "Secret", value["secretKeyRef"]["name"]
        assert "envFrom" not in container


class Secrets(unittest.TestCase):
    def test_no_secret_is_made_or_stands_in_a_manifest(self):
        for example in chart.EXAMPLES:
            objects = chart.objects(chart.values(example))
            self.assertFalse(chart.of_kind(objects, "Secret"))
            for owner, pod in chart.pods(objects):
                for container in chart.containers(pod):
                    for name, value in chart.environment(container).items():
                        if SECRET.search(name):
                            self.assertEqual({"secretKeyRef"}, set(value), (owner["metadata"]["name"], name))
                        else:
                            self.assertNotRegex(str(value), "postgres(ql)?://|whsec_", name)

    def test_what_pods_refer_to_is_there(self):
        existing = {"Secret": None, "ServiceAccount": {"default"}}
        for example in chart.EXAMPLES:
            objects = chart.objects(chart.values(example))
            made = {(found["kind"], found["metadata"]["name"]) for found in objects}
            for owner, pod in chart.pods(objects):
                for kind, name in referred(pod):
                    there = (kind, name) in made or existing.get(kind, set()) is None or name in existing.get(kind, set())
                    self.assertTrue(there, (example, owner["metadata"]["name"], kind, name))

    def test_a_migration_needs_nothing_that_the_release_makes(self):
        for example in ("minimal", "ha"):
            objects = chart.objects(chart.values(example))
            made = {(found["kind"], found["metadata"]["name"]) for found in objects}
            [job] = chart.of_kind(objects, "Job")
            self.assertFalse(made & set(referred(chart.pod_of(job))))
            self.assertEqual("pre-install,pre-upgrade", job["metadata"]["annotations"][chart.HOOK])

    def test_a_migration_has_its_network_before_it_begins(self):
        objects = chart.objects(chart.values("ha"))
        [job] = chart.of_kind(objects, "Job")
        policy = chart.by_component(objects, "NetworkPolicy")["migration"]
        annotations = [found["metadata"]["annotations"] for found in (policy, job)]
        self.assertEqual(annotations[0][chart.HOOK], annotations[1][chart.HOOK])
        before, then = (int(found["helm.sh/hook-weight"]) for found in annotations)
        self.assertLess(before, then)

    def test_only_migrations_and_tests_are_hooks(self):
        for example in chart.EXAMPLES:
            for document in chart.objects(chart.values(example)):
                hook = document["metadata"].get("annotations", {}).get(chart.HOOK)
                expected = {"migration": "pre-install,pre-upgrade", "test": "test"}.get(chart.component(document))
                if document["kind"] in ("NetworkPolicy", "Certificate") and hook is None:
                    expected = None
                self.assertEqual(expected, hook, document["metadata"]["name"])

    def test_migrations_are_made_by_the_role_that_may(self):
        objects = chart.objects(chart.values("ha"))
        [job] = chart.of_kind(objects, "Job")
        for service in chart.SERVICES:
            name = f"PERENNIAL_{service.upper()}_DATABASE_URL"
            of = lambda document: chart.environment(chart.pod_of(document)["spec"]["containers"][0])[name]["secretKeyRef"]
            server = chart.by_component(objects, "Deployment")[service]
            self.assertEqual({"name": "perennial-databases", "key": f"{service}-owner-url"}, of(job))
            self.assertEqual({"name": "perennial-databases", "key": f"{service}-url"}, of(server))

    def test_a_service_knows_the_database_of_no_other(self):
        for service, document in chart.by_component(chart.objects(chart.values("minimal")), "Deployment").items():
            names = chart.environment(chart.pod_of(document)["spec"]["containers"][0])
            urls = [name for name in names if name.endswith("_DATABASE_URL")]
            self.assertEqual([f"PERENNIAL_{service.upper()}_DATABASE_URL"], urls)

    def test_databases_are_verified_wherever_they_are_used(self):
        for owner, pod in chart.pods(chart.objects(chart.values("ha"))):
            for container in chart.containers(pod):
                found = chart.environment(container)
                uses = any(name.endswith("_DATABASE_URL") for name in found)
                self.assertEqual("verify-full" if uses else None, found.get("PGSSLMODE"))
                mounts = {mount["mountPath"] for mount in container.get("volumeMounts", [])}
                self.assertEqual(uses, "/etc/perennial/postgresql" in mounts, owner["metadata"]["name"])

    def test_secrets_of_channels_are_where_their_file_says(self):
        for example in ("ha", "all-in-one"):
            objects = chart.objects(chart.values(example))
            [config] = [found for found in chart.of_kind(objects, "ConfigMap") if chart.component(found) == "channels"]
            said = chart.load(config["data"]["channels.yaml"])["channels"]
            files = [secret["file"] for channel in said for secret in channel["secrets"]]
            wallet = next(chart.pod_of(found) for found in objects if chart.component(found) in ("wallet", "suite") and chart.pod_of(found))
            [volume] = [volume for volume in wallet["spec"]["volumes"] if volume["name"] == "channels"]
            sources = volume["projected"]["sources"]
            mounted = [item["path"] for source in sources if "secret" in source for item in source["secret"]["items"]]
            self.assertEqual(files, mounted)
            self.assertTrue(files)
            for channel in said:
                self.assertEqual({"name", "currencies", "intent_minutes", "secrets"}, set(channel))

    def test_only_renewal_has_the_credentials_of_nats(self):
        objects = chart.objects(chart.values("ha"))
        holders = {}
        for owner, pod in chart.pods(objects):
            for volume in pod["spec"].get("volumes", []):
                if volume["name"] == "nats":
                    sources = [source["secret"] for source in volume["projected"]["sources"]]
                    holders[chart.component(owner)] = {(source["name"], item["path"]) for source in sources for item in source["items"]}
        self.assertEqual({"renewal": {("perennial-nats", "nats.creds"), ("company-ca", "ca.crt")}}, holders)
        for service, document in chart.by_component(objects, "Deployment").items():
            names = chart.environment(chart.pod_of(document)["spec"]["containers"][0])
            self.assertEqual(service == "renewal", "PERENNIAL_NATS_URL" in names)

    def test_pods_begin_anew_when_their_channels_change(self):
        def checksum(minutes):
            values = chart.values("all-in-one")
            values["services"]["wallet"]["channels"][0]["intentMinutes"] = minutes
            [suite] = chart.of_kind(chart.objects(values), "StatefulSet")
            return suite["spec"]["template"]["metadata"]["annotations"]["checksum/channels"]

        self.assertNotEqual(checksum(30), checksum(31))
