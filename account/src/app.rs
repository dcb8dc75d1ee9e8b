//! The composition root: what the service is and can do. Production, `preorder` and tests all come through here.

use chassis::{Application, Chassis, Service, Settings, StartError};
use settings::Compiled;

use crate::inbound::http;
use crate::outbound::sql::MIGRATIONS;
use crate::settings::Own;

pub const SERVICE: Service<Own> = Service {
    name: "account",
    about: "Knows the users, signs them in, and says to all services who is who",
    settings: Compiled { defaults: include_str!("../config/default.toml"), profiles: &[] },
    build: |settings| Box::pin(build(settings)),
};

/// # Errors
/// What the settings name cannot be used: a database that does not answer, a port that is taken.
pub async fn build(settings: Settings<Own>) -> Result<Application, StartError> {
    let chassis = Chassis::open(SERVICE.name, settings.shared, &[MIGRATIONS]).await?;
    chassis.serve(http::configure)
}
