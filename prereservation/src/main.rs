use std::alloc::System;
use std::process::ExitCode;

use chassis::Service;
use zeroizing_alloc::ZeroAlloc;

/// What is freed is wiped: buffers that a card number went through.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    chassis::main(&Service {
        name: "prereservation",
        about: "Takes and cancels reservations",
        defaults: prereservation::settings::DEFAULTS,
        profiles: prereservation::settings::PROFILES,
        build: |settings| Box::pin(prereservation::app::build(settings)),
    })
}
