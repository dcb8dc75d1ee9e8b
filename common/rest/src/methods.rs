//! One path: a handler for each method, `HEAD`, `OPTIONS`, and 405 for what is left.

use actix_web::{
    Error, HttpResponse, Route,
    dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse},
    guard::{self, GuardContext},
    http::{
        Method,
        header::{self, HeaderValue},
    },
    web::{self, ServiceConfig},
};
use futures::future::{LocalBoxFuture, try_join_all};

use http_common::Problem;

use crate::{failure::Failure, route_table};

/// What the path answers.
#[derive(Default)]
pub(crate) struct Methods {
    routes: Vec<(Method, Route)>,
}

impl Methods {
    /// Adds a handler; that of `GET` answers `HEAD` too, and the server leaves the body out.
    pub(crate) fn add(&mut self, method: Method, route: Route) {
        self.routes.push((method, route));
    }

    /// As [`add`](Self::add), before what is there: `Allow` begins with it.
    pub(crate) fn add_first(&mut self, method: Method, route: Route) {
        self.routes.insert(0, (method, route));
    }

    /// Registers the path, with and without a slash at its end.
    ///
    /// As a scope with a guard: actix-web looks for patterns with variables, and for lists of paths, by regular expressions,
    /// which take longer than all the rest of its routing.
    pub(crate) fn register(self, config: &mut ServiceConfig, path: &str) {
        if self.routes.is_empty() {
            return;
        }
        route_table::declare(path);
        let prefix = path.split_once("/{").map_or(path, |(before, _)| before).trim_end_matches('/');
        let template = path.to_owned();
        let fits =
            move |context: &GuardContext<'_>| route_table::matches(&template, context.head().uri.path());
        config.service(web::scope(prefix).guard(guard::fn_guard(fits)).default_service(self));
    }

    fn allow(&self) -> String {
        let mut names = Vec::new();
        for (method, _) in &self.routes {
            names.push(method.as_str());
            if method == Method::GET {
                names.push("HEAD");
            }
        }
        names.push("OPTIONS");
        names.join(", ")
    }
}

type RouteService = <Route as ServiceFactory<ServiceRequest>>::Service;
type Answer = LocalBoxFuture<'static, Result<ServiceResponse, Error>>;

impl ServiceFactory<ServiceRequest> for Methods {
    type Response = ServiceResponse;
    type Error = Error;
    type Config = ();
    type Service = MethodsService;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<MethodsService, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let allow = self.allow();
        let methods: Vec<Method> = self.routes.iter().map(|(method, _)| method.clone()).collect();
        let services = try_join_all(self.routes.iter().map(|(_, route)| route.new_service(())));
        Box::pin(async move {
            Ok(MethodsService { routes: methods.into_iter().zip(services.await?).collect(), allow })
        })
    }
}

pub(crate) struct MethodsService {
    routes: Vec<(Method, RouteService)>,
    allow: String,
}

impl Service<ServiceRequest> for MethodsService {
    type Response = ServiceResponse;
    type Error = Error;
    type Future = Answer;

    actix_web::dev::always_ready!();

    fn call(&self, request: ServiceRequest) -> Answer {
        let wanted = match request.method() {
            &Method::HEAD => &Method::GET,
            method => method,
        };
        if let Some((_, route)) = self.routes.iter().find(|(method, _)| method == wanted) {
            return route.call(request);
        }
        let response = if wanted == Method::OPTIONS {
            let mut response = HttpResponse::Ok();
            if let Ok(allow) = HeaderValue::from_str(&self.allow) {
                response.insert_header((header::ALLOW, allow));
            }
            response.finish()
        } else {
            Failure::from(Problem::method_not_allowed(self.allow.clone())).into_response()
        };
        // `into_response` would lose the problem, and with it the chance to say which path it is about.
        let (request, _) = request.into_parts();
        Box::pin(std::future::ready(Ok(ServiceResponse::new(request, response))))
    }
}
