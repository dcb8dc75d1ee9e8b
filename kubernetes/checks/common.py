"""What the checks share: the services, and the variables that each of them knows."""
import pathlib
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVICES = ["gateway", "prereservation", "payment", "receipt", "myreservation", "account"]


def variables(service):
    """`server.port` is SERVER_PORT: every key of the commented defaults, and PROFILE."""
    files = [ROOT / service / "config/default.toml"]
    if service != "gateway":
        files.append(ROOT / "common/chassis/config/service.toml")
    known = {"PROFILE"}

    def walk(prefix, table):
        for key, value in table.items():
            path = f"{prefix}_{key}" if prefix else key
            known.add(path.upper())
            if isinstance(value, dict):
                walk(path, value)

    for file in files:
        walk("", tomllib.loads(file.read_text(encoding="utf-8")))
    return known
