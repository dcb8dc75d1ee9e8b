"""Rules and dashboard ask only for what the services show.

Starts the process `preorder` with its data in a temporary directory, tells it a customer's story, reads the metrics of all
services, looks at them as a linter does (promtool too, where it is installed), and compares every metric and label
name of every query with them.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import promql_parser
import yaml
from common import ROOT, SERVICES
from prometheus_client.parser import text_string_to_metric_families

# Shown only once something happened that the story does not make happen; they must at least stand in the sources.
ONLY_IN_TROUBLE = {"auth_bans_unreadable_total", "telemetry_series_refused_total", "resilience4j_circuitbreaker_not_permitted_calls_total"}
ADMIN = {"email": "root@example.com", "password": "another long sentence"}
wrong = []


def binary():
    named = os.environ.get("PREORDER")
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
    built = [target / "release/preorder", target / "debug/preorder"]
    found = [pathlib.Path(named)] if named else sorted((p for p in built if p.exists()), key=lambda p: -p.stat().st_mtime)
    if not found:
        subprocess.run(["cargo", "build", "--quiet", "-p", "preorder"], cwd=ROOT, check=True)
        return built[1]
    return found[0]


def ask(url, method="GET", body=None, **headers):
    if body:
        headers["Content-Type"] = "application/json"
    return urllib.request.urlopen(urllib.request.Request(url, data=body, method=method, headers=headers), timeout=10)


def get(url, method="GET", body=None, **headers):
    with ask(url, method, body, **headers) as answer:
        return answer.read().decode()


def user(urls):
    """Somebody signs up, reads at every service, refreshes, and is banned; others have a wrong password and a wrong token."""
    gateway = urls["gateway"]

    def sign(how, person):
        with ask(f"{gateway}/users/sign{how}", "POST", json.dumps(person).encode()) as answer:
            cookies = "; ".join(cookie.split(";")[0] for cookie in answer.headers.get_all("Set-Cookie"))
            return json.load(answer)["id"], cookies

    person = {"email": "metrics@example.com", "password": "a long sentence"}
    identity, cookies = sign("up", person)
    for name in ("preReservations", "payments", "receipts", "myReservations", "users/currentuser"):
        until(f"/{name} with a token", 30, lambda: get(f"{gateway}/{name}", Cookie=cookies))  # noqa: B023
    get(f"{gateway}/users/refresh", "POST", Cookie=cookies)
    _, root = sign("in", ADMIN)
    get(f"{gateway}/users/{identity}/ban", "POST", b'{"reason": "fraud"}', Cookie=root)
    for attempt in (
        lambda: sign("in", person | {"password": "a wrong sentence"}),
        lambda: get(f"{gateway}/users", Authorization="Bearer wrong"),
    ):
        try:
            attempt()
            wrong.append("a wrong password or token was taken")
        except urllib.error.HTTPError as refused:
            if refused.code != 401:
                wrong.append(f"a wrong password or token is answered {refused.code}")


def until(what, seconds, attempt):
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = attempt()
        except OSError:
            found = None
        if found:
            return found
        if time.monotonic() > deadline:
            sys.exit(f"waited {seconds} s for {what}")
        time.sleep(0.1)


def exposed():
    directory = tempfile.mkdtemp(prefix="preorder-metrics-")
    environment = {k: v for k, v in os.environ.items() if k not in ("PROFILE", "DATABASE_URL", "KAFKA_BROKERS")}
    environment |= {f"{s.upper()}_SERVER_PORT": "0" for s in SERVICES} | {"MYRESERVATION_SAGAS_MEASURE_EVERY_MS": "200"}
    environment |= {f"ACCOUNT_ADMIN_{key.upper()}": value for key, value in ADMIN.items()}
    output = pathlib.Path(directory, "output")
    with output.open("w") as file:
        process = subprocess.Popen([binary(), "--data", directory], env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        def addresses():
            if process.poll() is not None:
                sys.exit("preorder did not start: " + output.read_text())
            found = dict(re.findall(r"^ +(\w+) +(http://[0-9.:]+)", output.read_text(), re.MULTILINE))
            return found if set(SERVICES) <= found.keys() else None

        urls = until("the addresses", 30, addresses)
        gateway = urls["gateway"]
        until("the gateway", 30, lambda: get(f"{gateway}/preReservations"))
        body = (ROOT / "lab/siege/reservation.json").read_bytes()
        made = json.loads(get(f"{gateway}/preReservations", "POST", body))
        get(f"{gateway}/preReservations/{made['id']}", "DELETE")
        until("the cancellation in the view", 30, lambda: "receipt_cancelled" in get(f"{gateway}/myReservations/{made['id']}"))
        user(urls)
        pages = lambda: "".join(get(f"{urls[s]}/actuator/prometheus") for s in SERVICES)  # noqa: E731
        until("the measured gauges", 30, lambda: (
            all(name in pages() for name in ("\nsagas_stuck{", "\noutbox_depth{", "\nconsumer_lag_records{", "\ndead_letters{", "\nrefunds_total{", "\nauth_ban_known_seconds_count{"))))
        return {s: get(f"{urls[s]}/actuator/prometheus") for s in SERVICES}
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(directory)


def lint(service, text):
    """What `promtool check metrics` looks at."""
    for family in text_string_to_metric_families(text):
        if not family.documentation:
            wrong.append(f"{service}: {family.name} has no help")
        if family.type == "counter" and not f"{family.name}_total" in text:
            wrong.append(f"{service}: {family.name} is a counter and does not end with _total")
        if re.search(r"_(ms|milliseconds|kb|minutes)$", family.name):
            wrong.append(f"{service}: {family.name} is not in base units")
        if not family.samples:
            wrong.append(f"{service}: {family.name} has no value")
    promtool = shutil.which("promtool")
    if promtool:
        result = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        if result.returncode == 1:
            wrong.append(f"{service}: promtool: {result.stderr.strip()}")


def names(metrics):
    """Metric name to label names."""
    known = {}
    for text in metrics.values():
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                known.setdefault(sample.name, set()).update(sample.labels)
    return known


def selectors(node):
    """All vector selectors of an expression, with the label names asked for on the way to them."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name, {m.name for m in node.matchers.matchers}
        return
    asked = set()
    modifier = getattr(node, "modifier", None)
    if isinstance(node, promql_parser.AggregateExpr) and modifier is not None and "By" in str(modifier.type):
        asked = set(modifier.labels)
    children = []
    for field in ("lhs", "rhs", "expr", "vector_selector"):
        children.append(getattr(node, field, None))
    children.extend(getattr(node, "args", None) or [])
    for child in children:
        if child is not None and not isinstance(child, (str, float, int)):
            for name, labels in selectors(child):
                yield name, labels | asked


def examine(where, query, known):
    plain = query.replace("$__rate_interval", "5m").replace("$service", ".*")
    try:
        parsed = promql_parser.parse(plain)
    except ValueError as error:
        wrong.append(f"{where}: {error}")
        return 0
    found = list(selectors(parsed))
    if not found:
        wrong.append(f"{where}: asks for nothing: {query}")
    for name, labels in found:
        if name in ONLY_IN_TROUBLE:
            if not any(f'"{name}"' in p.read_text(encoding="utf-8") for p in ROOT.glob("*/**/src/**/*.rs") if "target" not in p.parts[:len(ROOT.parts) + 1]):
                wrong.append(f"{where}: {name} is in no source")
        elif name not in known:
            wrong.append(f"{where}: no service shows {name}")
        else:
            for label in labels - known[name] - {"__name__"}:
                wrong.append(f"{where}: {name} has no label {label}")
    return len(found)


def anchors(text):
    return {re.sub(r"[^\w\- ]", "", line.lstrip("# ").strip().lower()).replace(" ", "-") for line in text.splitlines() if line.startswith("#")}


metrics = exposed()
for service, text in metrics.items():
    lint(service, text)
known = names(metrics)
asked = 0

operations = anchors((ROOT / "docs/OPERATIONS.md").read_text(encoding="utf-8"))
for item in yaml.safe_load_all(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")):
    if item["kind"] == "PrometheusRule":
        for group in item["spec"]["groups"]:
            for rule in group["rules"]:
                unknown = rule.keys() - {"alert", "expr", "for", "labels", "annotations"}
                if unknown or rule["labels"].get("severity") not in ("page", "ticket") or "summary" not in rule["annotations"]:
                    wrong.append(f"{rule['alert']}: {unknown or 'severity or summary'}")
                file, _, anchor = rule["annotations"].get("runbook", "").partition("#")
                if file != "docs/OPERATIONS.md" or anchor not in operations:
                    wrong.append(f"{rule['alert']}: no runbook at {file}#{anchor}")
                asked += examine(rule["alert"], rule["expr"], known)
dashboard = json.loads((ROOT / "kubernetes/monitoring/preorder.json").read_text(encoding="utf-8"))
for panel in dashboard["panels"]:
    for target in panel.get("targets", []):
        asked += examine(panel["title"], target["expr"], known)
if wrong or asked < 20:
    sys.exit("\n".join(wrong) or "hardly anything is asked")
