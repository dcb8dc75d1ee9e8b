use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::main(&receipt::app::SERVICE)
}
