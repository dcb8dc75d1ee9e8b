use std::process::ExitCode;

use chassis::Service;

fn main() -> ExitCode {
    chassis::main(&Service {
        name: "prereservation",
        about: "Takes and cancels reservations",
        defaults: prereservation::settings::DEFAULTS,
        profiles: prereservation::settings::PROFILES,
        build: |settings| Box::pin(prereservation::startup::build(settings)),
    })
}
