/// Everything that a run does follows from this.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub seed: u64,
    pub reservations: u64,
    pub kills: u64,
    pub replicas: usize,
    pub customers: u64,
    pub poison: f64,
}
