"""Who may talk to whom: the arrows of ARCHITECTURE.md, and nothing else."""

import unittest

import chart

ARROWS = {("renewal", "catalog"), ("renewal", "wallet"), ("scheduler", "renewal"), ("scheduler", "wallet")}
TESTS = {("test", service) for service in chart.SERVICES}

DNS, GRPC, OPS = 53, 50051, 9464


def policies(values):
    return chart.by_component(chart.objects(values), "NetworkPolicy")


def components(peers):
    """Components of the release among `peers`."""
    labels = [peer.get("podSelector", {}).get("matchLabels", {}) for peer in peers if "namespaceSelector" not in peer]
    found = [label for label in labels if chart.COMPONENT in label]
    for label in found:
        assert label["app.kubernetes.io/instance"] == "perennial", "another release's"
    return {label[chart.COMPONENT] for label in found}


def out_of(policies):
    return {
        (name, called)
        for name, policy in policies.items()
        for rule in policy["spec"]["egress"]
        if [port["port"] for port in rule["ports"]] == [GRPC]
        for called in components(rule["to"])
    }


def into(policies):
    return {
        (caller, name)
        for name, policy in policies.items()
        for rule in policy["spec"]["ingress"]
        if [port["port"] for port in rule["ports"]] == [GRPC]
        for caller in components(rule["from"])
    }


def on(port, policy):
    """Who is let in on `port`."""
    return [rule for rule in policy["spec"]["ingress"] if [found["port"] for found in rule["ports"]] == [port]]


def outside(policy):
    """Ports of what is reached outside of the suite."""
    ports = [port["port"] for rule in policy["spec"]["egress"] if not components(rule.get("to", [])) for port in rule["ports"]]
    return sorted(set(ports))


class Network(unittest.TestCase):
    def test_both_ends_allow_exactly_the_arrows(self):
        for example in ("minimal", "ha"):
            found = policies(chart.values(example))
            self.assertEqual(ARROWS | TESTS, out_of(found))
            self.assertEqual(ARROWS | TESTS, into(found))

    def test_all_in_one_calls_nobody(self):
        found = policies(chart.values("all-in-one"))
        self.assertEqual({("test", "suite")}, out_of(found))
        self.assertEqual({("test", "suite")}, into(found))

    def test_arrows_are_the_addresses_that_services_are_given(self):
        deployments = chart.by_component(chart.objects(chart.values("minimal")), "Deployment")
        given = set()
        for service, document in deployments.items():
            for name, value in chart.environment(chart.pod_of(document)["spec"]["containers"][0]).items():
                if name.endswith("_ADDRESS"):
                    called = name.removeprefix("PERENNIAL_").removesuffix("_ADDRESS").lower()
                    self.assertEqual(f"https://perennial-{called}-headless:{GRPC}", value)
                    given.add((service, called))
        self.assertEqual(ARROWS, given)

    def test_every_pod_is_under_a_policy_of_both_directions(self):
        for example in chart.EXAMPLES:
            objects = chart.objects(chart.values(example))
            covered = chart.by_component(objects, "NetworkPolicy")
            for owner, pod in chart.pods(objects):
                self.assertIn(pod["metadata"]["labels"][chart.COMPONENT], covered, owner["metadata"]["name"])
            for policy in covered.values():
                self.assertEqual(["Ingress", "Egress"], policy["spec"]["policyTypes"])

    def test_out_of_the_suite_lead_names_databases_and_what_renewal_tells(self):
        found = {name: outside(policy) for name, policy in policies(chart.values("minimal")).items()}
        database = [DNS, 5432]
        expected = {"catalog": database, "wallet": database, "scheduler": database, "migration": database}
        self.assertEqual({**expected, "renewal": [DNS, 443, 5432], "test": [DNS]}, found)

        found = {name: outside(policy) for name, policy in policies(chart.values("ha")).items()}
        served = [DNS, 443, 4317, 6432, 8443]
        expected = {"catalog": served, "wallet": served, "scheduler": served, "migration": [DNS, 6432], "audit": [DNS, 6432]}
        self.assertEqual({**expected, "renewal": [DNS, 443, 4222, 4317, 6432, 8443, 50061], "test": [DNS]}, found)

        found = {name: outside(policy) for name, policy in policies(chart.values("all-in-one")).items()}
        self.assertEqual({"suite": [DNS, 443], "test": [DNS]}, found)

    def test_nobody_else_gets_in_unless_named(self):
        for policy in policies(chart.values("minimal")).values():
            for rule in on(GRPC, policy):
                self.assertEqual(len(rule["from"]), len(components(rule["from"])))
        found = policies(chart.values("ha"))
        named = {name: [peer for rule in on(GRPC, policy) for peer in rule["from"] if "namespaceSelector" in peer] for name, policy in found.items()}
        self.assertEqual(1, len(named["renewal"]))
        self.assertEqual({"app": "callback-proxy"}, named["wallet"][0]["podSelector"]["matchLabels"], "one peer, not two")
        self.assertFalse(named["migration"] + named["audit"] + named["test"])

    def test_metrics_are_told_to_whom_is_named(self):
        def scrapers(values):
            return {name: [rule["from"] for rule in on(OPS, policy)] for name, policy in policies(values).items()}

        values = chart.values("minimal")
        monitoring = [[{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]]
        expected = {name: monitoring for name in chart.SERVICES}
        self.assertEqual({**expected, "test": [], "migration": []}, scrapers(values))
        found = scrapers(chart.merged(values, {"metrics": {"peers": []}}))
        self.assertEqual({name: [] for name in found}, found)

    def test_webhooks_reach_no_private_address(self):
        [rule] = [rule for rule in policies(chart.values("minimal"))["renewal"]["spec"]["egress"] if rule["ports"][0]["port"] == 443]
        blocks = [peer["ipBlock"] for peer in rule["to"]]
        self.assertEqual(["0.0.0.0/0", "2000::/3"], [block["cidr"] for block in blocks])
        for private in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10"):
            self.assertIn(private, blocks[0]["except"])

    def test_webhooks_that_may_lead_nowhere_have_no_rule(self):
        values = chart.merged(chart.values("minimal"), {"networkPolicy": {"webhooks": {"peers": []}}})
        self.assertEqual([DNS, 5432], outside(policies(values)["renewal"]))

    def test_a_rule_without_peers_is_only_for_databases_collectors_and_names(self):
        for example in chart.EXAMPLES:
            for policy in policies(chart.values(example)).values():
                for rule in policy["spec"]["egress"]:
                    if "to" not in rule:
                        self.assertEqual([5432], [port["port"] for port in rule["ports"]])
                for rule in policy["spec"]["ingress"]:
                    self.assertTrue(rule["from"])

    def test_policies_can_be_left_to_others(self):
        values = chart.merged(chart.values("ha"), {"networkPolicy": {"enabled": False}})
        self.assertFalse(policies(values))
