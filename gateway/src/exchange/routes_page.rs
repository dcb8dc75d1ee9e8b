//! `/actuator/gateway/routes`: the route table in force, in the shape of Spring Cloud Gateway's.

use std::sync::Arc;

use async_trait::async_trait;
use http_common::{ActuatorEndpoint, Json};
use serde_json::json;

use crate::settings::Settings;

pub(crate) struct RoutesPage(Vec<Json>);

impl RoutesPage {
    pub(crate) fn of(settings: &Settings, addresses: &[Vec<String>]) -> Arc<Self> {
        let routes = settings.routes.iter().zip(addresses).enumerate();
        Arc::new(Self(
            routes
                .map(|(order, (route, addresses))| {
                    let mut predicate = format!("Paths: [{}], match trailing slash: true", route.path);
                    if !route.methods.is_empty() {
                        predicate += &format!(" && Methods: [{}]", route.methods.join(", "));
                    }
                    json!({
                        "route_id": route.id,
                        "predicate": predicate,
                        "uri": addresses.first(),
                        "uris": addresses,
                        "filters": [],
                        "order": order,
                        "metadata": {
                            "connect-timeout": route.connect_timeout_ms.unwrap_or(settings.upstream.connect_timeout_ms),
                            "response-timeout": route.response_timeout_ms.unwrap_or(settings.server.request_timeout_ms),
                            "body-limit": route.body_limit_bytes.unwrap_or(settings.server.body_limit_bytes),
                        },
                    })
                })
                .collect(),
        ))
    }
}

#[async_trait]
impl ActuatorEndpoint for RoutesPage {
    async fn get(&self, rest: &str) -> Option<Json> {
        match rest {
            "" => Some(Json::Array(self.0.clone())),
            id => self.0.iter().find(|route| route["route_id"] == id).cloned(),
        }
    }
}
