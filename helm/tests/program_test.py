"""The chart against the source of the program: settings, commands, schedules, numbers."""

import re
import unittest

import chart

# What the chart gives no pod: services prove themselves by certificates, and a clock that only its owner moves is for
# integrators, who run `serve` themselves.
ELSEWHERE = {"PERENNIAL_SERVICE_TOKEN_FILE", "--sandbox-clock"}

# Variables of others that the program's libraries, or Kubernetes, know.
FOREIGN = {"PGSSLMODE", "PGSSLROOTCERT", "SQLITE_TMPDIR", "OTEL_RESOURCE_ATTRIBUTES", "POD_NAME"}


def files(*folders):
    """Files of the code below `folders`, without tests."""
    found = [path for folder in folders for path in sorted((chart.ROOT / folder).rglob("*.rs"))]
    # Faults are compiled only for tests.
    found = [path for path in found if path.name not in ("tests.rs", "fault.rs") and "/tests/" not in str(path)]
    assert found, folders
    return found


def source(*folders):
    """The code below `folders`, without tests."""
    return "\n".join(path.read_text() for path in files(*folders))


def settings(text):
    """What clap's fields in `text` are read from: variables, and flags that have none."""
    for words, field in re.findall(r"#\[arg\(((?:[^()]|\([^()]*\))*)\)\]\s*(?:(?:///|#\[).*\s+)*(?:pub )?(\w+):", text):
        variable = re.search(r'env = "(\w+)"', words)
        if variable or re.search(r"\blong\b", words):
            yield variable[1] if variable else "--" + field.replace("_", "-")


def of_serve():
    """What `serve` can be told."""
    services = [f"services/{service}/src" for service in chart.SERVICES]
    own = [(chart.ROOT / "services/perennial/src" / name).read_text() for name in ("suite.rs", "serve.rs")]
    return {name for text in [source("libs/platform/src", *services), *own] for name in settings(text)}


def number(text, pattern):
    return int(re.search(pattern, text)[1].replace("_", ""))


def everything():
    for example in chart.EXAMPLES:
        for owner, pod in chart.pods(chart.objects(chart.values(example))):
            for container in chart.containers(pod):
                yield owner, container


class Program(unittest.TestCase):
    def test_every_variable_is_one_that_the_program_reads(self):
        known = of_serve() | FOREIGN
        for owner, container in everything():
            unknown = set(chart.environment(container)) - known
            self.assertFalse(unknown, owner["metadata"]["name"])

    def test_every_setting_of_serve_can_be_set(self):
        known = of_serve()
        self.assertGreater(len(known), 20)
        given = {name for _, container in everything() for name in chart.environment(container)}
        self.assertEqual(ELSEWHERE, known - given)

    def test_no_variable_is_empty(self):
        # What is set and empty is refused where a number or an address is wanted.
        for owner, container in everything():
            for name, value in chart.environment(container).items():
                self.assertTrue(value, (owner["metadata"]["name"], name))

    def test_servers_are_given_what_their_services_read_and_nothing_of_others(self):
        for service, document in chart.by_component(chart.objects(chart.values("ha")), "Deployment").items():
            own = set(settings(source(f"services/{service}/src", "libs/platform/src")))
            # Where the wallet is, the scheduler reads by the same setting as renewal.
            own |= {"PERENNIAL_WALLET_ADDRESS"} if service == "scheduler" else set()
            own -= ELSEWHERE | {"PERENNIAL_INSECURE"}
            given = set(chart.environment(chart.pod_of(document)["spec"]["containers"][0])) - FOREIGN
            self.assertEqual(own, given)

    def test_commands_and_roles_are_those_of_the_program(self):
        commands = source("services/perennial/src")
        roles = set(re.findall(r'Self::\w+ => "(\w+)"', (chart.ROOT / "services/perennial/src/suite.rs").read_text()))
        self.assertEqual(set(chart.SERVICES), roles)
        for owner, container in everything():
            words = container["args"]
            if owner["kind"] == "Pod":
                self.assertEqual("--address", words[0])
                words = words[2:]
            else:
                self.assertLessEqual(set(words[1:]), roles)
            self.assertRegex(commands, rf"\n    {words[0].title()}\b", "a command")

    def test_a_test_has_every_arrow_taken_by_schedules_that_there_are(self):
        kinds = (chart.ROOT / "services/scheduler/src/app/kinds.rs").read_text()
        names = re.findall(r'name: "([a-z-]+)"', kinds)
        [pod] = chart.of_kind(chart.objects(chart.values("minimal")), "Pod")
        [sweep] = [container["args"] for container in chart.containers(pod) if "sweep" in container["args"]]
        self.assertLessEqual(set(sweep[3:]), set(names))
        services = dict(zip(names, re.findall(r'service: "(\w+)"', kinds)))
        self.assertEqual({"renewal", "wallet"}, {services[kind] for kind in sweep[3:]})
        self.assertEqual(set(chart.SERVICES), {container["name"] for container in chart.containers(pod)})

    def test_intervals_are_of_schedules_that_there_are(self):
        kinds = re.findall(r'name: "([a-z-]+)"', (chart.ROOT / "services/scheduler/src/app/kinds.rs").read_text())
        self.assertGreater(len(kinds), 10)
        allowed = chart.schema()["properties"]["services"]["properties"]["scheduler"]["properties"]["intervals"]["propertyNames"]["enum"]
        self.assertEqual({"all", *kinds}, set(allowed))
        self.assertIn("misspelt", chart.refused({"services": {"scheduler": {"intervals": {"misspelt": 1}}}}))

    def test_what_is_for_all_schedules_comes_before_what_is_for_one(self):
        scheduler = chart.by_component(chart.objects(chart.values("ha")), "Deployment")["scheduler"]
        found = chart.environment(chart.pod_of(scheduler)["spec"]["containers"][0])
        self.assertEqual("all=120,remind=300,renew=30", found["PERENNIAL_SCHEDULE_INTERVALS"])

    def test_defaults_are_those_of_the_program(self):
        text = source("libs/platform/src", *(f"services/{service}/src" for service in chart.SERVICES))
        program = dict(re.findall(r'env = "(PERENNIAL_[A-Z_]+)",\s*default_value(?:_t)? = "?([^",)\s]+(?:,[^",)\s]+)*)', text))
        given = {}
        for document in chart.of_kind(chart.objects(chart.values("minimal")), "Deployment"):
            given.update(chart.environment(chart.pod_of(document)["spec"]["containers"][0]))
        # Where it is, and how it stops, is another matter in a cluster.
        ours = {"PERENNIAL_LISTEN", "PERENNIAL_DRAIN_SECONDS"}
        compared = {name for name in program if name in given and not name.endswith(("_ADDRESS", "_URL"))} - ours
        self.assertGreaterEqual(len(compared), 9)
        for name in compared:
            self.assertEqual(program[name].replace("_", "") if program[name][0].isdigit() else program[name], given[name], name)

    def test_the_schema_keeps_the_bounds_of_the_program(self):
        catalog = source("services/catalog/src")
        bounds = re.search(r'PERENNIAL_CATALOG_FOLLOW_SECONDS".*?range\((\d+)\.\.=(\d+)\)', catalog, re.S).groups()
        found = chart.schema()["properties"]["services"]["properties"]["catalog"]["properties"]["followSeconds"]
        self.assertEqual(bounds, (str(found["minimum"]), str(found["maximum"])))
        minutes = chart.schema()["properties"]["services"]["properties"]["wallet"]["properties"]["channels"]["items"]["properties"]["intentMinutes"]
        self.assertEqual(30 * 24 * 60, minutes["maximum"])
        self.assertIn("MOST_MINUTES: u32 = 30 * 24 * 60", source("services/wallet/src"))

    def test_connections_are_counted_by_the_pool_of_a_process(self):
        pool = number(source("libs/platform/src"), r"POSTGRES_POOL: u32 = (\d+)")
        notes = chart.texts(chart.values("minimal"))["perennial/templates/NOTES.txt"]
        # Two pods, and two that were replaced and still drain: Kubernetes does not count those.
        for service in chart.SERVICES:
            self.assertRegex(notes, rf"\n  {service} +{4 * pool}\n")

    def test_the_version_is_that_of_the_program(self):
        version = re.search(r'^version = "(.+)"', (chart.ROOT / "Cargo.toml").read_text(), re.M)[1]
        self.assertEqual(version, chart.load((chart.CHART / "Chart.yaml").read_text())["appVersion"])
