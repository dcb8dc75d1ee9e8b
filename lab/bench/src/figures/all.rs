use super::bench::Measure;

/// In the order of `all`: what others need first.
pub const ALL: &[&dyn Measure] = &[
    &super::startup::Startup,
    &super::counts::Counts,
    &super::cpu::Cpu,
    &super::saturation::Saturation,
    &super::visible::Visible,
    &super::overload::Overload,
    &super::gateway::Gateway,
    &super::idle::Idle,
    &super::list::List,
    &super::siege::Siege,
    &super::memory::Memory,
    &super::catch_up::CatchUp,
    &super::rebuild::Rebuild,
    &super::page::Page,
    &super::rows::Rows,
    &super::memory::MemoryOfAMillion,
];
