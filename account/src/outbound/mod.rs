pub mod argon;
pub mod secret_file;
pub mod sql;
