"""The operator's guide against the chart and the program."""

import re
import unittest

import kubernetes_validate

import chart
import readme

TEXT = readme.README.read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.S | re.M)


def commands():
    return "".join(blocks("sh")).replace("\\\n", " ").splitlines()


def snippets():
    return [part for text in blocks("yaml") for part in text.split("---\n")]


def installs():
    """What `helm install` and `helm upgrade` are told by `--set`."""
    for line in commands():
        if line.startswith(("helm install", "helm upgrade")):
            values = {}
            for path, value in re.findall(r"--set ([\w.]+)=(\S+)", line):
                nested = {"true": True}.get(value, value)
                for key in reversed(path.split(".")):
                    nested = {key: nested}
                values = chart.merged(values, nested)
            yield line, values


def needed(objects):
    """The Secrets that pods refer to, with their keys."""
    found = set()
    for _, pod in chart.pods(objects):
        for container in chart.containers(pod):
            for value in chart.environment(container).values():
                if isinstance(value, dict) and "secretKeyRef" in value:
                    found.add((value["secretKeyRef"]["name"], value["secretKeyRef"]["key"]))
    return found


class Readme(unittest.TestCase):
    def test_the_table_of_values_is_that_of_values_yaml(self):
        self.assertTrue(readme.parts()[1] == readme.table(), "run `helm/tests/run --update`")

    def test_every_value_is_told_of(self):
        told = readme.comments()
        silent = [name for name, _ in readme.leaves(chart.defaults(), told) if name not in told]
        self.assertEqual([], silent)

    def test_what_is_told_of_is_a_value(self):
        names = {name for name, _ in readme.leaves(chart.defaults(), readme.comments())}
        self.assertEqual(set(), set(readme.comments()) - names)

    def test_commands_of_the_installation_make_what_the_chart_needs(self):
        made = set()
        loop = re.search(r"for service in ([\w ]+); do(.*?)done", "\n".join(blocks("sh")), re.S)
        for service in loop[1].split():
            text = loop[2].replace("$service", service)
            name = re.search(r'create secret generic "([\w-]+)"', text)[1]
            made |= {(name, key) for key in re.findall(r"--from-literal=(\w+)=", text)}
        (first, values), *_ = installs()
        self.assertIn("helm install", first)
        self.assertEqual(needed(chart.objects(values)), made)

    def test_the_issuer_of_the_installation_is_the_one_that_the_chart_asks(self):
        made = {found["metadata"]["name"] for found in map(chart.load, snippets()) if found.get("kind") == "Issuer"}
        (_, values), *_ = installs()
        asked = {found["spec"]["issuerRef"]["name"] for found in chart.of_kind(chart.objects(values), "Certificate")}
        self.assertEqual(1, len(asked))
        self.assertLessEqual(asked, made)

    def test_commands_set_what_there_is(self):
        found = list(installs())
        self.assertEqual(3, len(found))
        for line, values in found:
            self.assertEqual("", chart.refused(values), line)

    def test_the_image_that_is_built_is_the_one_that_is_pulled(self):
        [tag] = {tag for line in commands() for tag in re.findall(r"docker (?:build --tag|push) (\S+)", line)}
        (_, values), *_ = installs()
        for _, pod in chart.pods(chart.objects(values)):
            for container in chart.containers(pod):
                self.assertEqual(tag, container["image"])

    def test_snippets_are_values_or_manifests(self):
        for text in snippets():
            snippet = chart.load(text)
            if snippet.get("apiVersion", "").startswith("cert-manager.io/"):
                self.assertIn(snippet["kind"], ("Issuer", "Certificate"))
            elif "kind" in snippet:
                kubernetes_validate.validate(snippet, "1.37", strict=True)
            else:
                self.assertEqual("", chart.refused(snippet), text)

    def test_the_callbacks_are_let_in_by_their_path_to_a_service_that_there_is(self):
        [ingress] = [found for found in map(chart.load, snippets()) if found.get("kind") == "Ingress"]
        [path] = ingress["spec"]["rules"][0]["http"]["paths"]
        self.assertIn('"/v1/channels/', (chart.ROOT / "services/wallet/src/http.rs").read_text())
        self.assertEqual("/v1/channels/", path["path"])
        services = {found["metadata"]["name"] for found in chart.of_kind(chart.objects(chart.values("minimal")), "Service")}
        self.assertIn(path["backend"]["service"]["name"], services)

    def test_settings_of_postgresql_are_those_of_the_tests(self):
        [snippet] = blocks("ini")
        _, settings = (chart.ROOT / "tests/postgresql.conf").read_text().split("\n", 1)
        self.assertEqual(settings, snippet)

    def test_roles_behind_a_pooler_get_what_the_program_would_set(self):
        said = dict(re.findall(r"SET (\w+) = '?([\w]+)'?;", " ".join(blocks("sql"))))
        source = (chart.ROOT / "libs/platform/src/database.rs").read_text()
        planned = source.split("PLANNED_ONCE_BY_INDEX: ")[1].split("];")[0]
        expected = dict(re.findall(r'\("(\w+)", "(\w+)"\)', planned))
        expected["statement_timeout"] = re.search(r"STATEMENT_TIMEOUT: Duration = Duration::from_secs\((\d+)\)", source)[1] + "s"
        expected["lock_timeout"] = re.search(r'LOCK_TIMEOUT: &str = "(\w+)"', source)[1]
        expected["idle_in_transaction_session_timeout"] = re.search(r'IDLE_IN_TRANSACTION_TIMEOUT: &str = "(\w+)"', source)[1]
        self.assertEqual(expected, said)

    def test_links_lead_somewhere(self):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", TEXT):
            self.assertTrue((chart.CHART / target).exists(), target)

    def test_names_in_the_guide_are_those_of_the_release(self):
        made = {found["metadata"]["name"] for example in chart.EXAMPLES for found in chart.objects(chart.values(example))}
        made |= {f"perennial-{service}-database" for service in chart.SERVICES}
        named = set(re.findall(r"(?:job|cronjob|deployment|service)/(perennial-[a-z-]+)", TEXT))
        self.assertLessEqual(named, made)
        self.assertGreaterEqual(len(named), 4)

    def test_values_that_the_guide_names_are_there(self):
        tops = set(chart.defaults())
        known = {name for name, _ in readme.leaves(chart.defaults(), {})}
        known |= {".".join(name.split(".")[:end]) for name in known for end in range(1, 9)}
        guide = TEXT.split(readme.BEGIN)[0]
        for name in re.findall(r"`([a-zA-Z]+\.[a-zA-Z.]+)`", guide):
            if name.split(".")[0] in tops and not name.endswith((".crt", ".key")):
                self.assertIn(name, known)
