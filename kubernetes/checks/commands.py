"""What workflows, skaffold, bake, scripts and pages tell somebody to run is there: files, scripts, packages, binaries, targets."""
import json
import re
import shlex
import subprocess
import sys

import yaml
from common import ROOT, SERVICES

listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True)
files = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
metadata = json.loads(
    subprocess.run(
        ["cargo", "metadata", "--no-deps", "--locked", "--format-version", "1"], cwd=ROOT, check=True, capture_output=True
    ).stdout
)
packages = {package["name"]: package for package in metadata["packages"]}
top = {name.split("/")[0] for name in files if "/" in name}
wrong = []
# docs/ADDING-A-SERVICE.md shows how it would be added.
INVENTED = {"notice"}


def exists(where, path):
    if not (ROOT / path).exists():
        wrong.append(f"{where}: {path} is not there")


def targets(names, kind):
    return {t["name"] for n in names for t in packages[n]["targets"] if kind in t["kind"]}


def cargo(where, words):
    """The packages, targets and features that a cargo command names."""
    words = words[: words.index("--")] if "--" in words else words
    options = {}
    for option, value in zip(words, words[1:]):
        options.setdefault(option, []).append(value)
    named = options.get("-p", []) + options.get("--package", []) + options.get("--exclude", [])
    named = [name for name in named if not re.search(r"[<$*{]", name) and name not in INVENTED]
    for name in named:
        if name not in packages:
            wrong.append(f"{where}: there is no package {name}")
    of = [name for name in named if name in packages] or list(packages)
    for option, kind in [("--bin", "bin"), ("--bench", "bench"), ("--test", "test"), ("--example", "example")]:
        for name in options.get(option, []):
            if not re.search(r"[<$*{]", name) and name not in targets(of, kind):
                wrong.append(f"{where}: {' and '.join(of[:3])} has no {kind} {name}")
    for name in (feature for value in options.get("--features", []) for feature in value.split(",")):
        package, _, feature = name.rpartition("/")
        if package in packages and feature not in packages[package]["features"]:
            wrong.append(f"{where}: {package} has no feature {feature}")


def commands(text):
    """Line by line, continued ones as one; what no shell could read is no command."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.lstrip().startswith("#"):
            continue
        for part in re.split(r"&&|\|\||[|;(){}]|\$\(|\bdo\b|\bthen\b|\bif\b", line):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:
                continue
            while words and re.fullmatch(r"[A-Z_]+=.*|sudo|time|exec|eval|step|nice|!", words[0]):
                # `step` has a title before its command.
                del words[: 2 if words[0] == "step" else 1]
            if words:
                yield words


def shell(where, text, everything):
    for words in commands(text):
        if "cargo" in words[:3]:
            cargo(where, words[words.index("cargo") :])
        # A path of ours: the command itself; of workflows each word.
        for word in words if everything else words[:1]:
            word = word.split("=")[-1]
            if re.fullmatch(r"[.\w-]+(/[.\w-]+)+", word) and word.split("/")[0] in top:
                exists(where, word)
        if words[:3] == ["docker", "buildx", "bake"] and "-f" in words:
            exists(where, words[words.index("-f") + 1])


def image(where, name):
    found = re.fullmatch(r"preorder/([a-z]+)(:dev)?", name)
    if not found or found[1] not in SERVICES:
        wrong.append(f"{where}: nothing builds the image {name}")


def workflow(name):
    content = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    for job, text in content["jobs"].items():
        for step in text["steps"]:
            where = f"{name}, {job}"
            shell(where, step.get("run", ""), True)
            inputs = step.get("with", {})
            if "bake-action" in step.get("uses", ""):
                exists(where, inputs["files"])
            if "image-ref" in inputs:
                image(where, inputs["image-ref"])
            for value in step.get("env", {}).values():
                if str(value).split("/")[0] in top and "${{" not in str(value):
                    exists(where, value)


def skaffold():
    content = yaml.safe_load((ROOT / "skaffold.yaml").read_text(encoding="utf-8"))
    arguments = set(re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE))
    built = set()
    for artifact in content["build"]["artifacts"]:
        image("skaffold.yaml", artifact["image"])
        exists("skaffold.yaml", artifact["docker"]["dockerfile"])
        given = artifact["docker"]["buildArgs"]
        for unknown in given.keys() - arguments:
            wrong.append(f"skaffold.yaml: the Dockerfile has no argument {unknown}")
        if artifact["image"] != f"preorder/{given['SERVICE']}":
            wrong.append(f"skaffold.yaml: {artifact['image']} is built as {given['SERVICE']}")
        built.add(given["SERVICE"])
    for missing in set(SERVICES) - built:
        wrong.append(f"skaffold.yaml: {missing} is not built")
    for path in content["manifests"]["kustomize"]["paths"]:
        exists("skaffold.yaml", f"{path}/kustomization.yaml")
    names = [forward["resourceName"] for forward in content["portForward"]]
    for unknown in set(names) - set(SERVICES):
        wrong.append(f"skaffold.yaml: forwards to {unknown}, which is no service")


def bake():
    text = (ROOT / "docker-bake.hcl").read_text(encoding="utf-8")
    if set(re.findall(r'"(\w+)"', re.search(r"service = \[(.*)\]", text)[1])) != set(SERVICES):
        wrong.append("docker-bake.hcl: does not build all services")
    arguments = set(re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE))
    for unknown in set(re.findall(r"^    (\w+) +=", re.search(r"args = \{\n(.*?)\n  \}", text, re.DOTALL)[1], re.MULTILINE)) - arguments:
        wrong.append(f"docker-bake.hcl: the Dockerfile has no argument {unknown}")


def page(name):
    """Of pages: what stands in blocks of code and between backticks."""
    text = (ROOT / name).read_text(encoding="utf-8")
    quoted = re.findall(r"```\w*[^\n]*\n(.*?)```", text, re.DOTALL) + re.findall(r"`(cargo [^`]+)`", text)
    for part in quoted:
        for words in commands(part):
            if words[0] == "cargo":
                cargo(name, words)


for file in files:
    if file.startswith(".github/workflows/"):
        workflow(file)
    elif file.endswith(".md"):
        page(file)
    else:
        first = (ROOT / file).open("rb").readline(64)
        if first.startswith(b"#!") and b"sh" in first:
            shell(file, (ROOT / file).read_text(encoding="utf-8"), False)
skaffold()
bake()
if wrong:
    sys.exit("\n".join(dict.fromkeys(wrong)))
