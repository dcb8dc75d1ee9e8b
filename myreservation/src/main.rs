use std::process::ExitCode;

use chassis::Service;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("rebuild") {
        return myreservation::inbound::cli::main();
    }
    chassis::main(&Service {
        name: "myreservation",
        about: "Everything about a reservation in one row; `myreservation rebuild --help` makes the view anew",
        defaults: myreservation::settings::DEFAULTS,
        profiles: myreservation::settings::PROFILES,
        build: |settings| Box::pin(myreservation::app::build(settings)),
    })
}
