/// [`Fact`](envelope::Fact) for types that wrap the thing that they tell of, and say nothing besides. The thing has a version,
/// reads itself, and has the key of its records in the field behind `by`.
macro_rules! facts {
    ($producer:literal tells in $topic:ident, by $key:ident: $($fact:ident($thing:ident) = $status:literal),+ $(,)?) => {$(
        impl ::envelope::Fact for $fact {
            const TYPE: &'static str = stringify!($fact);
            const PRODUCER: &'static str = $producer;
            const TOPIC: ::envelope::Topic = $topic;
            const STATUS: &'static str = $status;

            fn key(&self) -> String {
                self.0.$key.to_string()
            }

            fn version(&self) -> i64 {
                self.0.version
            }

            fn read(fields: &::envelope::Fields<'_>) -> Result<Self, ::envelope::FieldError> {
                $thing::read(fields).map(Self)
            }
        }
    )+};
}
