"""Kafka's users have the same rights by acls.sh and by Strimzi's manifests; and nobody may write what is not his to tell."""
import os
import pathlib
import subprocess
import sys
import tempfile

import yaml
from common import ROOT

INFRASTRUCTURE = ROOT / "kubernetes/infrastructure"
TOPIC = "prereservation"
# Who tells facts, by topic.
TELL = {TOPIC: {"prereservation", "payment", "receipt"}, "account": {"account"}}
READ = {"payment", "receipt", "myreservation"}
wrong = []


def by_script():
    """What acls.sh gives, as it calls kafka-acls."""
    with tempfile.TemporaryDirectory() as directory:
        calls = pathlib.Path(directory) / "calls"
        stub = pathlib.Path(directory) / "kafka-acls"
        stub.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{calls}"\n', encoding="utf-8")
        stub.chmod(0o755)
        environment = {**os.environ, "KAFKA_ACLS": str(stub), "TOPIC": TOPIC, "ACCOUNT_TOPIC": "account"}
        subprocess.run([INFRASTRUCTURE / "kafka/acls.sh", "nowhere:9092"], check=True, env=environment)
        lines = calls.read_text(encoding="utf-8").splitlines()
    given = set()
    for line in lines:
        words = line.split()
        options = list(zip(words, words[1:]))
        user = next(value for name, value in options if name == "--allow-principal").removeprefix("User:")
        for kind in ("topic", "group"):
            for name in (value for option, value in options if option == f"--{kind}"):
                given |= {(user, kind, name, value) for option, value in options if option == "--operation"}
    return given


def documents(name):
    return [item for item in yaml.safe_load_all((INFRASTRUCTURE / "strimzi" / name).read_text(encoding="utf-8")) if item]


def by_strimzi():
    given = set()
    for user in documents("users.yaml"):
        # The service's own Secret has the name without it.
        name, spec = user["metadata"]["name"].removesuffix("-kafka"), user["spec"]
        if user["kind"] != "KafkaUser" or spec["authentication"] != {"type": "scram-sha-512"} or spec["authorization"]["type"] != "simple":
            wrong.append(f"strimzi/users.yaml: {name} is no user with a password and rights of its own")
        for acl in spec["authorization"]["acls"]:
            resource = acl["resource"]
            if resource["patternType"] != "literal" or acl.get("type", "allow") != "allow":
                wrong.append(f"strimzi/users.yaml: {name}: {resource} is more than one thing")
            given |= {(name, resource["type"], resource["name"], operation) for operation in acl["operations"]}
    return given


script, strimzi = by_script(), by_strimzi()
for right in sorted(script - strimzi):
    wrong.append(f"only acls.sh gives {right}")
for right in sorted(strimzi - script):
    wrong.append(f"only strimzi/users.yaml gives {right}")
for topic, tell in TELL.items():
    if {user for user, kind, name, operation in script if (kind, name, operation) == ("topic", topic, "Write")} != tell:
        wrong.append(f"others than {sorted(tell)} may tell facts on {topic}")
for user, kind, name, operation in script:
    own = name in TELL if kind == "topic" else name == user
    if not own and name != f"{TOPIC}.{user}.dlt":
        wrong.append(f"{user} has {operation} on {kind} {name}, which is not its own")
if {name for _, kind, name, operation in script if (kind, operation) == ("group", "Read")} != READ:
    wrong.append(f"others than {sorted(READ)} have a group")

(cluster,) = [item for item in documents("kafka.yaml") if item["kind"] == "Kafka"]
kafka = cluster["spec"]["kafka"]
for listener in kafka["listeners"]:
    if not listener["tls"] or listener["authentication"]["type"] != "scram-sha-512" or listener["type"] != "internal":
        wrong.append(f"strimzi/kafka.yaml: the listener {listener['name']} lets in whom it does not know")
if kafka["authorization"]["type"] != "simple" or kafka["authorization"].get("superUsers"):
    wrong.append("strimzi/kafka.yaml: no rights, or users who need none")
if kafka["config"]["auto.create.topics.enable"] is not False or kafka["config"]["log.retention.ms"] != -1:
    wrong.append("strimzi/kafka.yaml: topics come by themselves, or facts go")
topics = {item["metadata"]["name"]: item["spec"] for item in documents("topics.yaml")}
if topics.keys() != {name for _, kind, name, _ in script if kind == "topic"}:
    wrong.append("strimzi/topics.yaml: other topics than users have rights on")
for name, spec in topics.items():
    if spec["config"]["retention.ms"] != -1 or spec["config"]["cleanup.policy"] != "delete":
        wrong.append(f"strimzi/topics.yaml: {name} forgets")
for item in [*documents("topics.yaml"), *documents("users.yaml"), *documents("kafka.yaml")]:
    if item["kind"] != "Kafka" and item["metadata"]["labels"].get("strimzi.io/cluster") != cluster["metadata"]["name"]:
        wrong.append(f"strimzi: {item['kind']} {item['metadata']['name']} is of no cluster")
if wrong:
    sys.exit("\n".join(wrong))
