"""Validates every object of the given files against the schema of its kind, unknown fields refused.

The oldest version that the manifests are for, and a new one. Kinds of operators (Prometheus, Strimzi) have no schema there;
what matters of them is checked in metrics.py and acls.py.
"""
import sys

import kubernetes_validate
import yaml

VERSIONS = ["1.31", "1.34"]
NO_SCHEMA = {"monitoring.coreos.com/v1", "kafka.strimzi.io/v1beta2"}

failures = []
count = 0
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        objects = [o for o in yaml.safe_load_all(file) if o]
    for item in objects:
        name = f"{path}: {item.get('kind')}/{item.get('metadata', {}).get('name')}"
        if item.get("apiVersion") in NO_SCHEMA:
            continue
        count += 1
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except Exception as error:  # noqa: BLE001 - whatever it is, the object is not valid
                failures.append(f"{name} ({version}): {str(error).splitlines()[0]}")
if failures or not count:
    sys.exit("\n".join(failures) or "nothing to validate")
