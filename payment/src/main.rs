use std::alloc::System;
use std::process::ExitCode;

use chassis::Service;
use zeroizing_alloc::ZeroAlloc;

/// What is freed is wiped: buffers that a card number went through.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    chassis::main(&Service {
        name: "payment",
        about: "Charges cards for reservations, and gives the money back",
        defaults: payment::settings::DEFAULTS,
        profiles: payment::settings::PROFILES,
        build: |settings| Box::pin(payment::app::build(settings)),
    })
}
