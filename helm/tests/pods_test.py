"""What holds of every pod, and of what points at pods."""

import re
import unittest

import chart
from program_test import number, source

PORT, OPS = 50051, 9464

# Where a process may write.
WRITABLE = {"/var/lib/perennial": "persistentVolumeClaim", "/tmp": "emptyDir"}


def all_pods():
    for example in chart.EXAMPLES:
        for owner, pod in chart.pods(chart.objects(chart.values(example))):
            yield f"{example}: {owner['kind']} {owner['metadata']['name']}", owner, pod


def servers():
    for name, owner, pod in all_pods():
        if owner["kind"] in ("Deployment", "StatefulSet"):
            yield name, owner, pod


def selected(selector, pods):
    return [owner["metadata"]["name"] for owner, pod in pods if selector.items() <= pod["metadata"]["labels"].items()]


class Pods(unittest.TestCase):
    def test_servers_are_probed_by_grpc_where_no_tls_is_asked_for(self):
        self.assertEqual(9, len(list(servers())))
        for name, _, pod in servers():
            with self.subTest(pod=name):
                [container] = chart.containers(pod)
                found = chart.environment(container)
                ports = {port["name"]: port["containerPort"] for port in container["ports"]}
                self.assertEqual({"grpc": PORT, "ops": OPS}, ports)
                self.assertTrue(found["PERENNIAL_LISTEN"].endswith(f":{PORT}"))
                self.assertTrue(found["PERENNIAL_OPS_LISTEN"].endswith(f":{OPS}"))
                for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                    self.assertEqual({"port": OPS}, container[probe]["grpc"])
                # Looking away comes long before being killed.
                ready, alive = container["readinessProbe"], container["livenessProbe"]
                self.assertLess(3 * ready["periodSeconds"] * ready["failureThreshold"], alive["periodSeconds"] * alive["failureThreshold"] + 1)

    def test_containers_are_bounded_and_may_do_nothing(self):
        for name, _, pod in all_pods():
            for container in chart.containers(pod):
                with self.subTest(pod=name, container=container["name"]):
                    self.assertLessEqual({"cpu", "memory"}, container["resources"]["requests"].keys())
                    self.assertIn("memory", container["resources"]["limits"])
                    self.assertEqual(
                        {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
                        container["securityContext"],
                    )

    def test_pods_are_restricted(self):
        for name, _, pod in all_pods():
            with self.subTest(pod=name):
                spec = pod["spec"]
                context = spec["securityContext"]
                self.assertTrue(context["runAsNonRoot"])
                self.assertTrue(context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] == 65532)
                self.assertEqual({"type": "RuntimeDefault"}, context["seccompProfile"])
                self.assertIs(False, spec["automountServiceAccountToken"])
                self.assertFalse({"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"} & spec.keys())
                kinds = {kind for volume in spec.get("volumes", []) for kind in volume if kind != "name"}
                self.assertLessEqual(kinds, {"secret", "projected", "emptyDir", "persistentVolumeClaim"})

    def test_a_service_called_perennial_makes_no_variables(self):
        for name, _, pod in all_pods():
            self.assertIs(False, pod["spec"]["enableServiceLinks"], name)

    def test_every_mount_has_its_volume_and_only_data_can_be_written(self):
        for name, owner, pod in all_pods():
            with self.subTest(pod=name):
                volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
                for claim in owner["spec"].get("volumeClaimTemplates", []):
                    volumes[claim["metadata"]["name"]] = {"persistentVolumeClaim": claim}
                mounts = [mount for container in chart.containers(pod) for mount in container.get("volumeMounts", [])]
                self.assertEqual(set(volumes), {mount["name"] for mount in mounts})
                for mount in mounts:
                    if not mount.get("readOnly"):
                        self.assertIn(WRITABLE[mount["mountPath"]], volumes[mount["name"]])

    def test_a_pod_is_given_the_time_that_it_may_take_to_stop(self):
        for name, _, pod in servers():
            found = chart.environment(pod["spec"]["containers"][0])
            longest = int(found["PERENNIAL_DRAIN_SECONDS"]) + 2 * int(found["PERENNIAL_REQUEST_TIMEOUT_SECONDS"])
            self.assertGreater(pod["spec"]["terminationGracePeriodSeconds"], longest, name)

    def test_a_pod_that_stops_serves_until_nobody_remembers_its_name(self):
        # What cluster DNS is set up with by default, and how often our own clients ask it.
        remembered = 30 + number(source("libs/platform/src"), r"LOOK_UP: Duration = Duration::from_secs\((\d+)\)")
        for document in chart.of_kind(chart.objects(chart.values("minimal")), "Deployment"):
            found = chart.environment(chart.pod_of(document)["spec"]["containers"][0])
            self.assertGreater(int(found["PERENNIAL_DRAIN_SECONDS"]), remembered)
        [suite] = chart.of_kind(chart.objects(chart.values("all-in-one")), "StatefulSet")
        self.assertEqual("0", chart.environment(chart.pod_of(suite)["spec"]["containers"][0])["PERENNIAL_DRAIN_SECONDS"], "no other pod serves")

    def test_selectors_find_their_pods_and_no_others(self):
        for example in chart.EXAMPLES:
            objects = chart.objects(chart.values(example))
            pods = chart.pods(objects)
            servers = {chart.component(owner): owner["metadata"]["name"] for owner, _ in pods if owner["kind"] in ("Deployment", "StatefulSet")}
            for document in chart.of_kind(objects, "Deployment", "StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy"):
                with self.subTest(example=example, kind=document["kind"], name=document["metadata"]["name"]):
                    spec = document["spec"]
                    selector = spec["podSelector"] if "podSelector" in spec else spec["selector"]
                    self.assertTrue(selector)
                    found = selected(selector.get("matchLabels", selector), pods)
                    mine = {"perennial-" + chart.component(document)}
                    self.assertEqual(mine, set(found))
                    if document["kind"] != "NetworkPolicy":
                        self.assertEqual([servers[chart.component(document)]], found)

    def test_pods_of_one_service_are_spread_by_its_own_labels(self):
        for name, owner, pod in servers():
            constraints = pod["spec"].get("topologySpreadConstraints", [])
            self.assertEqual(2 if owner["kind"] == "Deployment" else 0, len(constraints), name)
            for constraint in constraints:
                self.assertEqual(owner["spec"]["selector"], constraint["labelSelector"])

    def test_services_lead_to_the_port_and_each_has_a_headless_one(self):
        for example in chart.EXAMPLES:
            services = chart.of_kind(chart.objects(chart.values(example)), "Service")
            for service in services:
                headless = service["metadata"]["name"].endswith("-headless")
                ports = {port["targetPort"]: port["port"] for port in service["spec"]["ports"]}
                protocol = {port.get("appProtocol") for port in service["spec"]["ports"]} - {None}
                self.assertEqual({"kubernetes.io/h2c" if example == "all-in-one" else "https"}, protocol)
                # Where Prometheus finds each pod once.
                self.assertEqual({"grpc": PORT, "ops": OPS} if headless else {"grpc": PORT}, ports)
                self.assertEqual("None" if headless else None, service["spec"].get("clusterIP"))
            names = {service["metadata"]["name"] for service in services}
            self.assertEqual(names, {name.removesuffix("-headless") + suffix for name in names for suffix in ("", "-headless")})

    def test_a_budget_is_kept_where_there_is_more_than_one_pod(self):
        def budgets(values):
            return set(chart.by_component(chart.objects(chart.merged(chart.values("minimal"), values)), "PodDisruptionBudget"))

        self.assertEqual(set(chart.SERVICES), budgets({}))
        self.assertEqual(set(chart.SERVICES) - {"wallet"}, budgets({"services": {"wallet": {"replicas": 1}}}))
        scaled = {"services": {"wallet": {"autoscaling": {"enabled": True, "minReplicas": 1}}}}
        self.assertEqual(set(chart.SERVICES) - {"wallet"}, budgets(scaled))
        self.assertEqual(set(), budgets({"mode": "all-in-one"}))

    def test_what_is_scaled_has_no_number_of_replicas(self):
        objects = chart.objects(chart.values("ha"))
        scaled = {found["spec"]["scaleTargetRef"]["name"] for found in chart.of_kind(objects, "HorizontalPodAutoscaler")}
        self.assertEqual({"perennial-catalog", "perennial-renewal", "perennial-wallet"}, scaled)
        for deployment in chart.of_kind(objects, "Deployment"):
            self.assertEqual(deployment["metadata"]["name"] not in scaled, "replicas" in deployment["spec"])

    def test_a_volume_outlives_the_release_and_has_one_pod(self):
        [suite] = chart.of_kind(chart.objects(chart.values("all-in-one")), "StatefulSet")
        self.assertEqual(1, suite["spec"]["replicas"])
        self.assertEqual({"whenDeleted": "Retain", "whenScaled": "Retain"}, suite["spec"]["persistentVolumeClaimRetentionPolicy"])
        [claim] = suite["spec"]["volumeClaimTemplates"]
        self.assertEqual((["ReadWriteOncePod"], "fast"), (claim["spec"]["accessModes"], claim["spec"]["storageClassName"]))
        # What Kubernetes lets nobody change must not change with the chart's version.
        self.assertFalse([label for label in claim["metadata"]["labels"] if re.search("chart|version", label)])

    def test_an_existing_volume_is_used_instead_of_one_of_its_own(self):
        values = chart.merged(chart.values("all-in-one"), {"allInOne": {"storage": {"existingClaim": "kept"}}})
        [suite] = chart.of_kind(chart.objects(values), "StatefulSet")
        self.assertNotIn("volumeClaimTemplates", suite["spec"])
        self.assertIn({"name": "data", "persistentVolumeClaim": {"claimName": "kept"}}, chart.pod_of(suite)["spec"]["volumes"])

    def test_all_in_one_scales_nothing_whatever_is_said_of_all(self):
        values = chart.merged(chart.values("all-in-one"), {"defaults": {"replicas": 3, "autoscaling": {"enabled": True}}, "audit": {"enabled": True}})
        objects = chart.objects(values)
        self.assertEqual(1, chart.of_kind(objects, "StatefulSet")[0]["spec"]["replicas"])
        self.assertFalse(chart.of_kind(objects, "HorizontalPodAutoscaler", "PodDisruptionBudget", "Job", "CronJob"))
