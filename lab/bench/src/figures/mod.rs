//! The figures, one file each.

mod all;
mod bench;
mod catch_up;
mod counts;
mod cpu;
mod gateway;
mod idle;
mod list;
mod memory;
mod overload;
mod page;
mod rebuild;
mod rows;
mod saturation;
mod siege;
mod smoke;
mod startup;
mod visible;

pub use all::ALL;
pub use bench::{Bench, Measure, Sizes};

/// All that can be measured.
pub fn measures() -> impl Iterator<Item = &'static dyn Measure> {
    ALL.iter().copied().chain([&smoke::Smoke as &dyn Measure])
}
