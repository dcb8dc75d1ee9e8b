use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("rebuild") {
        return myreservation::inbound::cli::main(&myreservation::app::SERVICE);
    }
    chassis::main(&myreservation::app::SERVICE)
}
