"""The Dockerfile, which nothing builds here: its lint, and its words against those of the rest."""

import re
import subprocess
import unittest

import chart

DOCKERFILE = (chart.ROOT / "Dockerfile").read_text()


def instructions(word):
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.removeprefix(word).strip() for line in joined.splitlines() if line.startswith(word + " ")]


class Image(unittest.TestCase):
    def test_lint_has_nothing_to_say(self):
        done = subprocess.run(["hadolint", "--failure-threshold", "style", "Dockerfile"], cwd=chart.ROOT, capture_output=True, text=True)
        self.assertEqual((0, ""), (done.returncode, done.stdout + done.stderr))

    def test_the_compiler_is_the_one_of_the_workspace(self):
        channel = re.search(r'channel = "(.+)"', (chart.ROOT / "rust-toolchain.toml").read_text())[1]
        self.assertIn(f"rust:{channel}-bookworm AS build", instructions("FROM"))
        self.assertIn(f"RUSTUP_TOOLCHAIN={channel}", instructions("ENV"))

    def test_the_libraries_of_the_binary_come_along(self):
        build, final = instructions("FROM")
        self.assertIn("bookworm", build)
        self.assertEqual("scratch", final)
        copied = instructions("COPY")
        for folder in ("lib", "lib64"):
            self.assertIn(f"--from=build /out/{folder} /{folder}", copied)

    def test_the_profile_is_one_of_the_workspace(self):
        profile = re.search(r"--profile (\w+)", DOCKERFILE)[1]
        self.assertIn(f"[profile.{profile}]", (chart.ROOT / "Cargo.toml").read_text())
        self.assertIn(f"target/{profile}/perennial", DOCKERFILE)

    def test_it_runs_as_the_user_of_the_chart_who_owns_the_data(self):
        user = chart.defaults()["user"]
        self.assertEqual([f"{user}:{user}"], instructions("USER"))
        self.assertIn(f"install -d -o {user} -g {user} /out/var/lib/perennial", DOCKERFILE)
        self.assertIn("PERENNIAL_DATA_DIR=/var/lib/perennial", instructions("ENV"))

    def test_arguments_of_pods_follow_the_entry_point(self):
        self.assertEqual(['["/usr/local/bin/perennial"]'], instructions("ENTRYPOINT"))
        for _, pod in chart.pods(chart.objects(chart.values("ha"))):
            for container in chart.containers(pod):
                self.assertNotIn("command", container)

    def test_every_member_of_the_workspace_is_there_to_build_from(self):
        members = re.search(r"members = \[(.+)\]", (chart.ROOT / "Cargo.toml").read_text())[1]
        kept = {line[1:] for line in (chart.ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
        self.assertLessEqual({member.split("/")[0] for member in re.findall(r'"([^"]+)"', members)}, kept)
        self.assertLessEqual({"Cargo.toml", "Cargo.lock", "proto"}, kept)
        for path in kept:
            self.assertTrue((chart.ROOT / path).exists(), path)
