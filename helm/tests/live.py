"""Runs on this machine what the chart would run in a cluster, with a program that is built already.

    helm/tests/run --live target/debug/perennial

Containers become processes with exactly their arguments and variables; Secrets, mounts and names of Services become files and
ports. PostgreSQL is the tests' own. Kubernetes itself is left out: policies, and hooks beyond their commands.
"""

import base64
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

import chart

PATIENCE = 30

# How long `helm test` waits by default, and so how long any command may take.
HELM_TEST = 300

# Which containers of `helm test` fail when a service is gone: its own, and the one that has the arrows taken.
NOTICED = {service: {service, "scheduler"} for service in chart.SERVICES}


class World:
    """Where things are here that are elsewhere in a cluster."""

    def __init__(self, binary, folder, postgres):
        self.binary = pathlib.Path(binary).resolve()
        self.folder, self.postgres = folder, postgres
        self.ports, self.running = {}, {}

    def port(self, component):
        if component not in self.ports:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.ports[component] = free.getsockname()[1]
        return self.ports[component]

    def path(self, component, path):
        """Where a path of a pod is here."""
        return pathlib.Path(f"{self.folder}/{component}{path}")

    def local(self, text, component=""):
        """`text`, with what stands for other places put in."""
        text = text.replace("0.0.0.0:50051", f"127.0.0.1:{self.port(component)}")
        text = text.replace("0.0.0.0:9464", f"127.0.0.1:{self.port(component + '-ops')}")
        for name in [*chart.SERVICES, "suite"]:
            for host in (f"perennial-{name}", f"perennial-{name}-headless"):
                text = text.replace(f"://{host}:50051", f"://127.0.0.1:{self.port(name)}")
        mounted = text.startswith(("/var/lib/perennial", "/etc/perennial", "/tmp"))
        return str(self.path(component, text)) if mounted else text

    def secret(self, reference):
        """The value of a key of a Secret."""
        if "database" in reference["name"]:
            names = [name for name in chart.SERVICES if name in reference["name"] + reference["key"]]
            return f"{self.postgres.rsplit('/', 1)[0]}/{names[0]}"
        return "whsec_" + base64.b64encode(os.urandom(32)).decode()

    def environment(self, container, component):
        found = {}
        for name, value in chart.environment(container).items():
            if isinstance(value, dict) and "secretKeyRef" in value:
                found[name] = self.secret(value["secretKeyRef"])
            elif isinstance(value, dict):
                found[name] = f"{component}-0"
            elif name not in ("PGSSLMODE", "PGSSLROOTCERT"):  # The tests' PostgreSQL has no TLS.
                found[name] = self.local(value, component)
        return found

    def mount(self, document, objects):
        """Makes the files that the volumes of its pod would hold."""
        component, pod = chart.component(document), chart.pod_of(document)
        maps = {found["metadata"]["name"]: found["data"] for found in chart.of_kind(objects, "ConfigMap")}
        mounts = {mount["name"]: mount["mountPath"] for found in chart.containers(pod) for mount in found.get("volumeMounts", [])}
        for path in mounts.values():
            self.path(component, path).mkdir(parents=True, exist_ok=True)
        for volume in pod["spec"].get("volumes", []):
            folder = self.path(component, mounts[volume["name"]])
            if volume["name"] == "tls":
                self.certify(folder, chart.by_component(objects, "Certificate")[component])
            for source in volume.get("projected", {}).get("sources", []):
                if "configMap" in source:
                    for name, text in maps[source["configMap"]["name"]].items():
                        (folder / name).write_text(text)
                for item in source.get("secret", {}).get("items", []):
                    (folder / item["path"]).write_text(self.secret({"name": "", "key": ""}))
            for item in volume.get("secret", {}).get("items", []):
                openssl("-subj", "/CN=company", "-keyout", "/dev/null", "-out", folder / item["path"])

    def certify(self, folder, wanted):
        """Does what cert-manager would do."""
        authority, key = self.path("authority", ".crt"), self.path("authority", ".key")
        if not authority.exists():
            openssl("-subj", "/CN=authority", "-keyout", key, "-out", authority)
        names = ",".join(f"DNS:{name}" for name in wanted["spec"]["dnsNames"])
        openssl(
            *("-subj", "/CN=pod", "-CA", authority, "-CAkey", key),
            *("-addext", f"subjectAltName={names},IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"),
            *("-keyout", folder / "tls.key", "-out", folder / "tls.crt"),
        )
        (folder / "ca.crt").write_bytes(authority.read_bytes())

    def start(self, document, objects):
        component = chart.component(document)
        self.mount(document, objects)
        [container] = chart.containers(chart.pod_of(document))
        log = open(f"{self.folder}/{component}.log", "w+")
        process = subprocess.Popen([self.binary, *container["args"]], env=self.environment(container, component), stderr=log)
        self.running[component] = process
        return process

    def serves(self, component):
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.running[component].poll() is None:
            if ready(self.port(component + "-ops")):
                return
            time.sleep(0.05)
        raise AssertionError(f"{component} does not serve:\n{pathlib.Path(f'{self.folder}/{component}.log').read_text()}")

    def run(self, container, component):
        """Runs a container to its end, and returns its exit code."""
        words = [self.local(word, component) for word in container["args"]]
        done = subprocess.run([self.binary, *words], env=self.environment(container, component), capture_output=True, text=True, timeout=HELM_TEST)
        return done.returncode, done.stdout + done.stderr

    def succeeds(self, document, objects):
        self.mount(document, objects)
        for container in chart.containers(chart.pod_of(document)):
            code, output = self.run(container, chart.component(document))
            assert code == 0, f"{document['metadata']['name']}, {container['name']}: {code}\n{output}"

    def stop(self, component, patience):
        process = self.running.pop(component)
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(patience) == 0, component
        return time.monotonic() - begin


def ready(port):
    """Asks for health as a kubelet does, by gRPC and without TLS."""
    command = f"curl --silent --max-time 5 --http2-prior-knowledge http://127.0.0.1:{port}/grpc.health.v1.Health/Check"
    headers = ["--header", "content-type: application/grpc", "--header", "te: trailers"]
    done = subprocess.run([*command.split(), *headers, "--data-binary", "@-"], input=bytes(5), capture_output=True)
    # A message of two bytes: field 1 is SERVING.
    return done.stdout == bytes([0, 0, 0, 0, 2, 8, 1])


def openssl(*words):
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    subprocess.run([*command.split(), *map(str, words)], check=True, capture_output=True)


def postgres(folder):
    told = pathlib.Path(folder) / "postgres"
    subprocess.run([chart.ROOT / "tests/postgres.sh"], env={**os.environ, "NEXTEST_ENV": str(told)}, check=True)
    url = told.read_text().strip().split("=", 1)[1]
    for service in chart.SERVICES:
        subprocess.run(["psql", "--quiet", url, "-c", f"CREATE DATABASE {service}"], check=True)
    return url


def one(objects, kind):
    [found] = chart.of_kind(objects, kind)
    return found


def services(world):
    # Drains are as long as they are said to be; a short one is enough here, where there is neither an issuer of tokens nor NATS.
    here = {"defaults": {"drainSeconds": 1}, "identity": {"issuer": ""}, "nats": {"url": ""}}
    objects = chart.objects(chart.merged(chart.values("ha"), here))
    servers = chart.of_kind(objects, "Deployment")
    early = world.start(servers[0], objects)
    assert early.wait(PATIENCE) != 0, "a server must not start before its database was migrated"
    job = one(objects, "Job")
    world.succeeds(job, objects)
    world.succeeds(job, objects)
    for document in servers:
        world.start(document, objects)
    for document in servers:
        world.serves(chart.component(document))
    print("four services: migrated twice, and serve")
    test = one(objects, "Pod")
    world.succeeds(test, objects)
    audit = one(objects, "CronJob")
    world.succeeds(audit, objects)
    print("helm test and the audit succeed")
    by_name = {chart.component(document): document for document in servers}
    for service, noticed in NOTICED.items():
        world.stop(service, PATIENCE)
        if service == "catalog":
            # Who has read the catalog goes on with what it knows.
            world.stop("renewal", PATIENCE)
            world.start(by_name["renewal"], objects)
            world.serves("renewal")
        codes = {found["name"]: world.run(found, "test")[0] for found in chart.containers(test)}
        assert noticed == {name for name, code in codes.items() if code != 0}, f"without {service}: {codes}"
        world.start(by_name[service], objects)
        world.serves(service)
    print("helm test notices whatever service is gone")
    for document in servers:
        grace = chart.pod_of(document)["spec"]["terminationGracePeriodSeconds"]
        took = world.stop(chart.component(document), grace)
        print(f"{chart.component(document)} stopped in {took:.1f} s of {grace}")


def all_in_one(world):
    objects = chart.objects(chart.values("all-in-one"))
    suite = one(objects, "StatefulSet")
    world.start(suite, objects)
    world.serves("suite")
    world.succeeds(one(objects, "Pod"), objects)
    files = {path.name for path in world.path("suite", "/var/lib/perennial").iterdir()}
    assert {f"{service}.db" for service in chart.SERVICES} <= files, files
    [container] = chart.containers(chart.pod_of(suite))
    code, output = world.run({**container, "args": ["audit"]}, "suite")
    assert (code, "nothing is off" in output) == (0, True), output
    print(f"all in one: serves, passes helm test and audit, stopped in {world.stop('suite', PATIENCE):.1f} s")


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        world = World(sys.argv[1], folder, postgres(folder))
        try:
            services(world)
            all_in_one(world)
        finally:
            for process in world.running.values():
                process.kill()


if __name__ == "__main__":
    main()
