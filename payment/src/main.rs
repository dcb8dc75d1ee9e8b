use std::process::ExitCode;

use chassis::Service;

fn main() -> ExitCode {
    chassis::main(&Service {
        name: "payment",
        about: "Charges cards for reservations, and gives the money back",
        defaults: payment::settings::DEFAULTS,
        profiles: payment::settings::PROFILES,
        build: |settings| Box::pin(payment::startup::build(settings)),
    })
}
