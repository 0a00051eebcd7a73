"""What values are taken, and what is refused."""

import unittest

import chart

SIX = {"resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": 1, "memory": "1Gi"}}}

# One thing is wrong with each.
WRONG = [
    {"mode": "both"},
    {"user": 0},
    {"image": {"digest": "sha256:12"}},
    {"image": {"pullPolicy": "Sometimes"}},
    {"defaults": {"replicas": 0}},
    {"defaults": {"replicas": "2"}},
    {"defaults": {"drainSeconds": -1}},
    {"defaults": {"requestTimeoutSeconds": 0}},
    {"defaults": {"log": ""}},
    {"defaults": {"resources": {"limits": {"memory": "1 GB"}}}},
    {"defaults": {"topologySpread": {"zone": "Sometimes"}}},
    {"defaults": {"autoscaling": {"targetCPUUtilizationPercentage": 101}}},
    {"defaults": {"clients": [{}]}},
    {"defaults": {"podLabels": {"a": 1}}},
    {"services": {"catalog": {"followSeconds": 0}}},
    {"services": {"catalog": {"followSeconds": 3601}}},
    {"services": {"renewal": {"eventRetentionDays": 6}}},
    {"services": {"renewal": {"autoAmountPerDay": -1}}},
    {"services": {"scheduler": {"parts": 65}}},
    {"services": {"scheduler": {"intervals": {"renew": -1}}}},
    {"services": {"wallet": {"channels": [{"name": "a"}]}}},
    {"services": {"wallet": {"channels": [{"name": "a/b", "currencies": ["CNY"], "intentMinutes": 1, "secrets": [{"secretName": "s", "secretKey": "k"}]}]}}},
    {"services": {"wallet": {"channels": [{"name": "a", "currencies": ["CNY"], "intentMinutes": 1, "secrets": []}]}}},
    {"allInOne": {"storage": {"accessMode": "ReadWriteMany"}}},
    {"allInOne": {"replicas": 2}},
    {"jobs": {"serviceAccountName": ""}},
    {"postgresql": {"port": 65536}},
    {"telemetry": {"otlpEndpoint": "collector:4317"}},
    {"telemetry": {"otlpEndpoint": "http://collector"}},
    {"networkPolicy": {"consoles": [{"port": 50061}]}},
    {"listenAddress": "localhost"},
]


def places(values, path=()):
    """Every object in `values` whose keys are names of ours, by its path."""
    yield path
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, key))


def at(values, path):
    for key in path:
        values = values[key]
    return values


def copied(values):
    return chart.load(chart.yaml.safe_dump(values))


# Maps whose keys are somebody else's names.
FREE = {"annotations", "labels", "podAnnotations", "podLabels", "nodeSelector", "matchLabels", "nodeAffinity", "podAffinity", "podAntiAffinity"}


class Values(unittest.TestCase):
    def test_examples_and_defaults_are_taken(self):
        self.assertEqual("", chart.refused({}))
        for example in chart.EXAMPLES:
            self.assertEqual("", chart.refused(chart.values(example)))

    def test_a_name_that_is_misspelt_is_refused_at_every_level(self):
        full = {"affinity": {"nodeAffinity": {}}, "serviceAccount": {"annotations": {"a": "b"}}, "podLabels": {"a": "b"}, **SIX}
        everything = chart.merged(chart.defaults(), chart.values("ha"))
        everything = chart.merged(everything, {"defaults": full, "allInOne": full})
        self.assertEqual("", chart.refused(everything))
        tried = 0
        for path in places(everything):
            if isinstance(at(everything, path), list) or FREE & set(path):
                continue
            with self.subTest(path=path):
                values = copied(everything)
                at(values, path)["misspelt"] = "x"
                self.assertIn("misspelt", chart.refused(values))
                tried += 1
        self.assertGreater(tried, 60)

    def test_what_services_share_may_be_said_of_each_and_nothing_else(self):
        shared = chart.defaults()["defaults"]
        for service in chart.SERVICES:
            self.assertEqual("", chart.refused({"services": {service: shared}}))
        self.assertIn("followSeconds", chart.refused({"services": {"wallet": {"followSeconds": 2}}}))
        self.assertIn("followSeconds", chart.refused({"defaults": {"followSeconds": 2}}))
        self.assertIn("channels", chart.refused({"services": {"renewal": {"channels": []}}}))

    def test_a_value_that_makes_no_sense_is_refused(self):
        for values in WRONG:
            with self.subTest(values=values):
                self.assertNotEqual("", chart.refused(values))

    def test_a_value_of_an_example_overrides_even_where_it_is_nothing(self):
        values = chart.merged(chart.values("ha"), {"services": {"catalog": {"tolerations": [], "drainSeconds": 0, "clients": []}}})
        found = chart.by_component(chart.objects(values), "Deployment")
        self.assertNotIn("tolerations", found["catalog"]["spec"]["template"]["spec"])
        self.assertIn("tolerations", found["wallet"]["spec"]["template"]["spec"])
        self.assertIn("replicas", found["scheduler"]["spec"], "autoscaling is off for it alone")
        catalog = chart.environment(chart.pod_of(found["catalog"])["spec"]["containers"][0])
        self.assertEqual("0", catalog["PERENNIAL_DRAIN_SECONDS"])

    def test_large_numbers_are_written_out(self):
        renewal = chart.by_component(chart.objects(chart.values("ha")), "Deployment")["renewal"]
        found = chart.environment(chart.pod_of(renewal)["spec"]["containers"][0])
        self.assertEqual("500000000", found["PERENNIAL_AUTO_AMOUNT_PER_DAY"])

    def test_the_platform_may_choose_the_user(self):
        values = chart.merged(chart.values("all-in-one"), {"user": None})
        for _, pod in chart.pods(chart.objects(values)):
            self.assertEqual({"runAsNonRoot", "seccompProfile"}, set(pod["spec"]["securityContext"]))
