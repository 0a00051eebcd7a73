"""By what callers are known, and what the suite proves."""

import unittest

import helm_python as helm

import chart
from network_test import ARROWS, outside

SECURED = ("minimal", "ha")


def servers(objects):
    """Variables of each server, by component."""
    found = {**chart.by_component(objects, "Deployment"), **chart.by_component(objects, "StatefulSet")}
    return {name: chart.environment(chart.pod_of(document)["spec"]["containers"][0]) for name, document in found.items()}


def roles(variables, name="PERENNIAL_CERTIFICATE_ROLES"):
    return dict(part.split("=") for part in variables[name].split(","))


def certified(objects):
    """Names that certificates prove, by component."""
    return {name: found["spec"]["dnsNames"] for name, found in chart.by_component(objects, "Certificate").items()}


class Identity(unittest.TestCase):
    def test_a_certificate_proves_a_service_where_an_arrow_leads_and_nowhere_else(self):
        for example in SECURED:
            objects = chart.objects(chart.values(example))
            names = certified(objects)
            given = {
                (caller, called)
                for called, variables in servers(objects).items()
                for name, role in roles(variables).items()
                for caller in names
                if role.startswith("service:") and name in names[caller]
            }
            self.assertEqual(ARROWS, given)
            for called, variables in servers(objects).items():
                for name, role in roles(variables).items():
                    if role.startswith("service:"):
                        self.assertIn(name, names[role.removeprefix("service:")])

    def test_only_the_test_proves_more_by_its_name(self):
        objects = chart.objects(chart.values("minimal"))
        for variables in servers(objects).values():
            others = {name: role for name, role in roles(variables).items() if not role.startswith("service:")}
            self.assertEqual({"perennial-test.billing.svc": "platform"}, others)
        self.assertEqual(["perennial-test.billing.svc"], certified(objects)["test"])

    def test_names_of_certificates_do_not_overlap(self):
        for example in SECURED:
            names = [name for found in certified(chart.objects(chart.values(example))).values() for name in found]
            self.assertEqual(len(names), len(set(names)))

    def test_a_service_is_called_by_a_name_that_its_certificate_has(self):
        for example in SECURED:
            objects = chart.objects(chart.values(example))
            names = certified(objects)
            for variables in servers(objects).values():
                for name, address in variables.items():
                    if name.endswith("_ADDRESS"):
                        called = name.removeprefix("PERENNIAL_").removesuffix("_ADDRESS").lower()
                        self.assertIn(address.removeprefix("https://").removesuffix(":50051"), names[called])
            [pod] = chart.of_kind(objects, "Pod")
            for container in chart.containers(pod):
                address = container["args"][1].removeprefix("https://").removesuffix(":50051")
                self.assertIn(address, names[container["name"]])

    def test_pods_mount_the_certificate_of_their_own_component(self):
        for example in SECURED:
            objects = chart.objects(chart.values(example))
            made = {name: found["spec"]["secretName"] for name, found in chart.by_component(objects, "Certificate").items()}
            mounted = {
                chart.component(owner): volume["secret"]["secretName"]
                for owner, pod in chart.pods(objects)
                for volume in pod["spec"].get("volumes", [])
                if volume["name"] == "tls"
            }
            self.assertEqual(made, mounted)
            self.assertEqual({*chart.SERVICES, "test"}, set(made))

    def test_existing_certificates_are_used_where_they_are_named(self):
        own = {"services": {service: {"tlsSecret": f"{service}-cert"} for service in chart.SERVICES}}
        values = chart.merged(chart.values("minimal"), {**own, "jobs": {"tlsSecret": "test-cert"}, "tls": {"certManager": {"enabled": False}}})
        objects = chart.objects(values)
        self.assertFalse(chart.of_kind(objects, "Certificate"))
        found = {volume["secret"]["secretName"] for _, pod in chart.pods(objects) for volume in pod["spec"].get("volumes", []) if volume["name"] == "tls"}
        self.assertEqual({f"{service}-cert" for service in chart.SERVICES} | {"test-cert"}, found)

    def test_a_certificate_that_exists_is_not_made(self):
        values = chart.merged(chart.values("minimal"), {"services": {"wallet": {"tlsSecret": "wallet-cert"}}})
        self.assertEqual({"catalog", "renewal", "scheduler", "test"}, set(certified(chart.objects(values))))

    def test_tokens_are_known_by_what_is_said_of_their_issuer(self):
        for variables in servers(chart.objects(chart.values("ha"))).values():
            self.assertEqual("https://login.example.com/realms/cloud", variables["PERENNIAL_OIDC_ISSUER"])
            self.assertEqual({"console-redis": "product:redis", "operations": "platform"}, roles(variables, "PERENNIAL_OIDC_SUBJECT_ROLES"))
            self.assertEqual("product:vm", roles(variables)["console.consoles.svc"])
            self.assertEqual("500", variables["PERENNIAL_CALLS_PER_SECOND"])

    def test_keys_of_an_issuer_who_cannot_be_asked_are_mounted(self):
        kept = {"keys": "", "keysConfigMap": {"name": "issuer", "key": "keys"}}
        objects = chart.objects(chart.merged(chart.values("ha"), {"identity": kept}))
        for document in chart.of_kind(objects, "Deployment"):
            pod = chart.pod_of(document)
            [container] = chart.containers(pod)
            self.assertEqual("/etc/perennial/issuer/keys.json", chart.environment(container)["PERENNIAL_OIDC_KEYS"])
            self.assertIn({"name": "issuer", "mountPath": "/etc/perennial/issuer", "readOnly": True}, container["volumeMounts"])
            source = {"name": "issuer", "items": [{"key": "keys", "path": "keys.json"}]}
            self.assertIn({"name": "issuer", "configMap": source}, pod["spec"]["volumes"])
        for name in ("catalog", "wallet", "scheduler"):
            self.assertEqual([53, 4317, 6432], outside(chart.by_component(objects, "NetworkPolicy")[name]))

    def test_nobody_is_let_in_unasked_unless_it_is_said(self):
        one = {"image": {"repository": "r"}, "mode": "all-in-one"}
        issuer = {"identity": {"issuer": "https://i.example.com", "audience": "a"}}
        tls = {"tls": {"enabled": True}}
        for values, why in [
            ({"image": {"repository": "r"}}, "by what callers are known"),
            ({"image": {"repository": "r"}, **issuer}, "by what callers are known"),
            (one, "by what callers are known"),
            ({**one, **issuer, "insecure": True}, "contradicts"),
            ({**one, **tls, "insecure": True}, "contradicts"),
            ({**one, "identity": {"issuer": "https://i.example.com"}}, "audience is needed"),
            ({**one, "identity": {"issuer": "https://i.example.com", "audience": "a", "keys": "https://i", "keysConfigMap": {"name": "keys"}}}, "contradicts"),
            ({**one, **tls}, "jobs.tlsSecret is needed"),
            ({**one, **tls, "jobs": {"tlsSecret": "t"}}, "allInOne.tlsSecret is needed"),
            ({"image": {"repository": "r"}, **tls, "jobs": {"tlsSecret": "t"}}, "services.catalog.tlsSecret is needed"),
            ({**one, "tls": {"enabled": True, "certManager": {"enabled": True}}}, "issuer.name is needed"),
        ]:
            with self.subTest(values=values), self.assertRaisesRegex(helm.HelmError, why):
                chart.texts(values)
        for values in ({**one, **issuer}, {**one, "insecure": True}):
            for variables in servers(chart.objects(values)).values():
                self.assertEqual("insecure" in values, "PERENNIAL_INSECURE" in variables)

    def test_without_tls_a_test_proves_itself_by_a_token_or_is_not_made(self):
        values = {"image": {"repository": "r"}, "mode": "all-in-one", "identity": {"issuer": "https://i.example.com", "audience": "a"}}
        self.assertFalse(chart.of_kind(chart.objects(values), "Pod"))
        [pod] = chart.of_kind(chart.objects({**values, "jobs": {"tokenSecret": {"name": "operator"}}}), "Pod")
        for container in chart.containers(pod):
            self.assertEqual({"PERENNIAL_TOKEN_FILE": "/etc/perennial/token/token"}, chart.environment(container))
