use std::process::ExitCode;

use chassis::Service;

fn main() -> ExitCode {
    chassis::main(&Service {
        name: "receipt",
        about: "Issues receipts with a delivery date",
        defaults: receipt::settings::DEFAULTS,
        profiles: receipt::settings::PROFILES,
        build: |settings| Box::pin(receipt::app::build(settings)),
    })
}
