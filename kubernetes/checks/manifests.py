"""What we want of the rendered overlays beyond their schema."""
import pathlib
import re
import sys

import yaml
from common import SERVICES, variables

# Of Secrets that are made by command (docs/AKS.md), and of those that need not be there.
MADE_ELSEWHERE = {"prereservation", "payment", "receipt", "myreservation", "account", "account-keys", "postgres", "internal"}
MANAGEMENT = {"management", "9080"}
wrong = []


def check(overlay, objects):
    def say(item, text):
        wrong.append(f"{overlay}: {item['kind']}/{item['metadata']['name']}: {text}")

    by = {}
    for item in objects:
        by.setdefault(item["kind"], {})[item["metadata"]["name"]] = item
        if item["kind"] != "Namespace" and item["metadata"].get("namespace") != "preorder":
            say(item, "is not in the namespace preorder")
    deployments = by.get("Deployment", {})
    for missing in set(SERVICES) - deployments.keys():
        wrong.append(f"{overlay}: Deployment/{missing} is missing")
    for kind in ("Service", "ServiceAccount", "HorizontalPodAutoscaler", "PodDisruptionBudget"):
        for missing in set(SERVICES) - by.get(kind, {}).keys():
            wrong.append(f"{overlay}: {kind}/{missing} is missing")
    if by.get("ConfigMap", {}).get("profile-cm", {}).get("data") != {"profile": "docker"}:
        wrong.append(f"{overlay}: ConfigMap/profile-cm is not profile: docker")

    workloads = [*deployments.values(), *by.get("StatefulSet", {}).values()]
    for item in workloads:
        pod(say, by, overlay, item)
    for name, item in deployments.items():
        service(say, name, item)
    for item in [*by.get("Service", {}).values(), *by.get("PodDisruptionBudget", {}).values()]:
        selector = item["spec"]["selector"]
        selector = selector.get("matchLabels", selector)
        if not any(selector.items() <= w["spec"]["template"]["metadata"]["labels"].items() for w in workloads):
            say(item, f"selects no pod: {selector}")
        if any(MANAGEMENT & set(map(str, port.values())) for port in item["spec"].get("ports", [])):
            say(item, "publishes the management port")
    for item in by.get("Ingress", {}).values():
        if MANAGEMENT & set(re.findall(r"\w+", str(item["spec"]))):
            say(item, "publishes the management port")
    for name, item in by.get("HorizontalPodAutoscaler", {}).items():
        if item["spec"]["scaleTargetRef"]["name"] not in deployments:
            say(item, "scales nothing")
        if item["spec"]["maxReplicas"] != 10 or item["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] != 15:
            say(item, "is not 15 %, up to 10")
    policies(say, by, workloads)


def pod(say, by, overlay, item):
    spec = item["spec"]["template"]["spec"]
    context = spec.get("securityContext", {})
    if not context.get("runAsNonRoot") or context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        say(item, "may run as root, or without seccomp")
    if spec.get("automountServiceAccountToken") is not False or spec.get("enableServiceLinks") is not False:
        say(item, "gets a token or service links that it does not need")
    for container in spec["containers"]:
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities") != {"drop": ["ALL"]}:
            say(item, "has privileges that it does not need")
        image = container["image"]
        if ":" not in image.rsplit("/", 1)[-1] or image.endswith(":latest"):
            say(item, f"{image} has no version")
        if not {"cpu", "memory"} <= container["resources"]["requests"].keys() or "memory" not in container["resources"]["limits"]:
            say(item, "does not say what it needs")
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if probe not in container:
                say(item, f"has no {probe}")
        for source in container.get("envFrom", []):
            reference = source["secretRef"]
            name, generated = reference["name"], by.get("Secret", {})
            if reference.get("optional") or name in generated:
                continue
            if overlay == "local" or name not in MADE_ELSEWHERE:
                say(item, f"needs the secret {name}, which is not there")
        for variable in container.get("env", []):
            reference = variable.get("valueFrom", {}).get("configMapKeyRef")
            if reference and reference["key"] not in by.get("ConfigMap", {}).get(reference["name"], {}).get("data", {}):
                say(item, f"{variable['name']} comes from {reference}, which is not there")
    for volume in spec.get("volumes", []):
        if "configMap" in volume and volume["configMap"]["name"] not in by.get("ConfigMap", {}):
            say(item, f"mounts {volume['configMap']['name']}, which is not there")


def service(say, name, item):
    container = item["spec"]["template"]["spec"]["containers"][0]
    if not container["securityContext"].get("readOnlyRootFilesystem"):
        say(item, "writes to its root file system")
    if f"/{name}:" not in f"/{container['image']}":
        say(item, f"runs the image of another service: {container['image']}")
    if container["resources"]["requests"]["cpu"] != "200m" or container["resources"]["limits"]["cpu"] != "500m":
        say(item, "cpu is not 200m to 500m")
    for probe, path in [
        ("startupProbe", "/actuator/health/liveness"),
        ("readinessProbe", "/actuator/health/readiness"),
        ("livenessProbe", "/actuator/health/liveness"),
    ]:
        if container[probe]["httpGet"] | {"path": path, "port": "management"} != container[probe]["httpGet"]:
            say(item, f"{probe} does not ask {path} at the management port")
    if {p["name"]: p["containerPort"] for p in container["ports"]} != {"http": 8080, "management": 9080}:
        say(item, "has other ports than the profile docker")
    names = {variable["name"] for variable in container["env"]}
    for missing in ({"AUTH_MODE", "AUTH_SECURE_COOKIES"} & variables(name)) - names:
        say(item, f"is not told {missing}, in which all services agree")
    for unknown in names - variables(name):
        say(item, f"{unknown} is no setting of {name}")
    if item["spec"].get("replicas") is not None:
        say(item, "fixes the number of replicas, which is the scaler's")


def policies(say, by, workloads):
    rules = by.get("NetworkPolicy", {})
    if not any(p["spec"]["podSelector"] == {} and "ingress" not in p["spec"] for p in rules.values()):
        wrong.append("no NetworkPolicy denies what is not allowed")
    for item in rules.values():
        labels = item["spec"]["podSelector"].get("matchLabels", {})
        if not any(labels.items() <= w["spec"]["template"]["metadata"]["labels"].items() for w in workloads):
            say(item, f"is for no pod: {labels}")
        open_to_all = any("from" not in rule for rule in item["spec"].get("ingress", []))
        if open_to_all != (item["metadata"]["name"] == "gateway"):
            say(item, "only the gateway is reached from outside")
        ports = [port.get("port") for rule in item["spec"].get("ingress", []) for port in rule.get("ports", [{}])]
        if item["metadata"]["name"] == "metrics":
            if ports != ["management"]:
                say(item, "does not let Prometheus to the management port alone")
        elif {None, "management", 9080} & set(ports):
            say(item, "lets somebody to the management port")


for overlay in ("local", "aks", "ingress"):
    path = pathlib.Path(sys.argv[1]) / f"{overlay}.yaml"
    check(overlay, [o for o in yaml.safe_load_all(path.read_text(encoding="utf-8")) if o])
# The secrets of the local overlay must be settings as well.
for item in yaml.safe_load_all((pathlib.Path(sys.argv[1]) / "local.yaml").read_text(encoding="utf-8")):
    # `account-keys` is account's, too.
    name = item["metadata"]["name"].split("-")[0]
    if item["kind"] == "Secret" and name in SERVICES:
        for unknown in (item.get("data") or {}).keys() - variables(name):
            wrong.append(f"local: Secret/{name}: {unknown} is no setting of {name}")
if wrong:
    sys.exit("\n".join(wrong))
