"""docker-compose.yml: published on this machine only, no secret in it, settings that exist, images as on Kubernetes."""
import re
import sys

import yaml
from common import ROOT, SERVICES, variables

compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
example = (ROOT / ".env.example").read_text(encoding="utf-8")
text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
wrong = []

for name, service in compose["services"].items():
    for port in service.get("ports", []):
        if not str(port).startswith("127.0.0.1:"):
            wrong.append(f"{name}: {port} is published beyond this machine")
    environment = service.get("environment", {})
    for key, value in environment.items():
        if any(word in key for word in ("PASSWORD", "TOKEN", "SECRET")) and not str(value).startswith("${"):
            wrong.append(f"{name}: {key} is a secret in the file")
        if re.search(r"://[^/${]*:[^$@/]+@", str(value)):
            wrong.append(f"{name}: {key} has a password in its URL")
    image = service["image"]
    if ":" not in image or image.endswith(":latest"):
        wrong.append(f"{name}: {image} has no version")
    if name in SERVICES:
        for key in ({"AUTH_MODE", "AUTH_SECURE_COOKIES"} & variables(name)) - environment.keys():
            wrong.append(f"{name}: is not told {key}, in which all services agree")
        for key in environment.keys() - variables(name):
            wrong.append(f"{name}: {key} is no setting of this service")
        if not {"8080", "9080"} == {str(port).rsplit(":", 1)[-1] for port in service["ports"]}:
            wrong.append(f"{name}: does not publish its port and that of its actuator")
        if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
            wrong.append(f"{name}: not read only, or with capabilities")
        if service["build"]["args"]["SERVICE"] != name:
            wrong.append(f"{name}: is built as another service")
    for mount in service.get("volumes", []):
        source = str(mount).split(":", maxsplit=1)[0]
        if source.startswith("./") and not (ROOT / source).exists():
            wrong.append(f"{name}: {source} is not there")

for missing in set(SERVICES) - compose["services"].keys():
    wrong.append(f"{missing} is missing")
for variable in set(re.findall(r"\$\{([A-Z_]+)", text)):
    if not re.search(rf"^#?{variable}=", example, re.MULTILINE):
        wrong.append(f".env.example does not mention {variable}")
for store, manifest in [("my-kafka", "kafka/kafka.yaml"), ("postgres", "postgres/postgres.yaml")]:
    image = compose["services"][store]["image"]
    if f"image: {image}\n" not in (ROOT / "kubernetes/infrastructure" / manifest).read_text(encoding="utf-8"):
        wrong.append(f"{store}: kubernetes/infrastructure uses another image than {image}")
if wrong:
    sys.exit("\n".join(wrong))
