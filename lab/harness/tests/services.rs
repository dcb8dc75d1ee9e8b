//! Whoever names the services names those of the list, with its names, ports and routes.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use harness::Service;
use harness::binaries::workspace;

fn text(path: &str) -> String {
    std::fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn toml(path: &str) -> toml::Table {
    text(path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn names(services: &[Service]) -> BTreeSet<String> {
    services.iter().map(|service| service.name().to_owned()).collect()
}

#[test]
fn each_listens_on_its_port() {
    for service in Service::ALL {
        let path = format!("{}/config/default.toml", service.name());
        let port = toml(&path)["server"]["port"].as_integer();
        assert_eq!(port, Some(i64::from(service.port())), "{path}: server.port");
    }
}

#[test]
fn the_gateway_knows_where_each_is_and_what_it_serves() {
    let settings = toml("gateway/config/default.toml");
    let urls = settings["url"].as_table().unwrap();
    assert_eq!(urls.keys().cloned().collect::<BTreeSet<_>>(), names(&Service::WITH_STATE), "[url]");
    let docker = toml("gateway/config/docker.toml");
    for service in Service::WITH_STATE {
        let url = urls[service.name()].as_str().unwrap();
        assert_eq!(url, format!("http://localhost:{}", service.port()));
        let url = docker["url"][service.name()].as_str().unwrap();
        assert_eq!(url, format!("http://{}:8080", service.name()), "docker");
        let route = settings["routes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|route| route["uri"].as_str() == Some(service.name()));
        let path = route.unwrap_or_else(|| panic!("no route to {}", service.name()))["path"].as_str();
        assert_eq!(path, Some(format!("/{}/**", service.collection()).as_str()));
    }
}

#[test]
fn preorder_starts_each() {
    let source = text("preorder/src/system.rs");
    for service in Service::WITH_STATE {
        assert!(source.contains(&format!("{}::app::build(", service.name())), "{service:?} is not built");
        let wired = format!("urls.get_mut(\"{0}\"), &{0}, {1})", service.name(), service.port());
        assert!(source.contains(&wired), "not {wired}");
    }
}

#[test]
fn each_has_a_container() {
    let compose = text("docker-compose.yml");
    for service in Service::ALL {
        let (name, port) = (service.name(), service.port());
        assert!(compose.contains(&format!("\n  {name}:\n")), "docker-compose.yml has no {name}");
        let published = format!("${{{}_PORT:-{port}}}:8080", name.to_uppercase());
        assert!(compose.contains(&published), "docker-compose.yml publishes {name} on {port}");
        let base = text(&format!("kubernetes/base/{name}.yaml"));
        assert!(base.contains(&format!("name: {name}\n")), "kubernetes/base/{name}.yaml");
        assert!(text("kubernetes/base/kustomization.yaml").contains(&format!("{name}.yaml")), "{name}");
        assert!(text("docker-bake.hcl").contains(&format!("\"{name}\"")), "docker-bake.hcl has no {name}");
        let watched = text("deploy/observability/prometheus.yaml");
        assert!(watched.contains(&format!("{name}:")), "prometheus.yaml does not look at {name}");
    }
    let checked = text("kubernetes/checks/common.py");
    let checked = checked.lines().find(|line| line.starts_with("SERVICES = ")).unwrap();
    let checked: BTreeSet<String> = checked.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert_eq!(checked, names(&Service::ALL), "kubernetes/checks/common.py");
}

#[test]
fn each_database_is_made() {
    let lists =
        [("infra/lib.sh", "SERVICES=("), ("kubernetes/infrastructure/postgres/databases.sh", "for name in ")];
    for (path, begin) in lists {
        let text = text(path);
        let line = text.lines().find_map(|line| line.strip_prefix(begin)).unwrap();
        let made: BTreeSet<String> =
            line.split([';', ')']).next().unwrap().split_whitespace().map(str::to_owned).collect();
        let mut needed = names(&Service::WITH_STATE);
        // The books of the simulated card network.
        needed.insert("ledger".to_owned());
        assert_eq!(made, needed, "{path}");
    }
}
